import { describe, expect, it } from "vitest";
import { psnr, psnr8 } from "../../src/metrics/psnr.ts";
import { numbers, pair } from "./numbers.ts";
import { a, b, signed } from "./pair.ts";

describe("psnr", () => {
  it("agrees with scikit-image", () => {
    expect(psnr(b, a, { range: 1 })).toBeCloseTo(21.23469637614803, 10);
    expect(psnr(signed(b), signed(a))).toBeCloseTo(21.23469637614803, 10);
    expect(psnr8(signed(b), signed(a))).toBeCloseTo(21.23736674600574, 10);
  });
  it("takes the range from the truth, and clamps, where papers do", () => {
    const [p, q] = pair(19, 26);
    expect(psnr(p, q, { range: "reference" })).toBeCloseTo(numbers.psnrReference, 6);
    expect(psnr(p, q, { range: 1, clamp: [-0.5, 0.5] })).toBeCloseTo(numbers.psnrClamped, 6);
    expect(psnr([0.1, 3], [0, 4], { range: "peak" })).toBeCloseTo(10 * Math.log10(16 / 0.505), 12);
    expect(() => psnr([1, 2], [3, 3], { range: "reference" })).toThrow(/not flat/);
  });
  it("is 20 dB at a tenth of the range, infinite for equals, and clamps in 8 bits", () => {
    expect(psnr([0.2, 0.2], [0, 0])).toBeCloseTo(20, 12);
    expect(psnr(a, a)).toBe(Infinity);
    expect(psnr8([-3, 5], [-1, 1])).toBe(Infinity);
    expect(psnr8([-1 + 2 / 255], [-1])).toBeCloseTo(20 * Math.log10(255), 10);
    expect(() => psnr([1], [1, 2])).toThrow(/one size/);
  });
});
