import { describe, expect, it } from "vitest";
import { type SsimVariant, ssim } from "../../src/metrics/ssim.ts";
import { numbers, pair } from "./numbers.ts";
import { a, b, H, W } from "./pair.ts";

describe("ssim", () => {
  const size = { width: W, height: H, channels: 3 };
  it("agrees with scikit-image in both variants", () => {
    expect(ssim(a, b, { ...size, variant: "uniform7", range: 1 })).toBeCloseTo(0.8555776433051925, 10);
    expect(ssim(a, b, { ...size, variant: "gaussian", range: 1 })).toBeCloseTo(0.8480744849778579, 10);
  });
  it("agrees with the definition in slow loops", () => {
    // Weighted means, variances and covariance of every window, each about its own mean, one window at a time.
    const range = 2;
    const slow = (k: number, weight: (i: number, j: number) => number, unbias: number) => {
      let total = 0;
      let windows = 0;
      for (let c = 0; c < 3; c++)
        for (let y = 0; y + k <= H; y++)
          for (let x = 0; x + k <= W; x++, windows++) {
            const each = (f: (p: number, q: number) => number) => {
              let [sum, weights] = [0, 0];
              for (let j = 0; j < k; j++)
                for (let i = 0; i < k; i++) {
                  const at = ((y + j) * W + x + i) * 3 + c;
                  sum += weight(i, j) * f(a[at]!, b[at]!);
                  weights += weight(i, j);
                }
              return sum / weights;
            };
            const [ma, mb] = [each((p) => p), each((_, q) => q)];
            const va = unbias * each((p) => (p - ma) ** 2);
            const vb = unbias * each((_, q) => (q - mb) ** 2);
            const cab = unbias * each((p, q) => (p - ma) * (q - mb));
            const [c1, c2] = [(0.01 * range) ** 2, (0.03 * range) ** 2];
            total += ((2 * ma * mb + c1) * (2 * cab + c2)) / ((ma ** 2 + mb ** 2 + c1) * (va + vb + c2));
          }
      return total / windows;
    };
    const bell = (i: number, j: number) => Math.exp(-((i - 5) ** 2 + (j - 5) ** 2) / (2 * 1.5 ** 2));
    expect(ssim(a, b, size)).toBeCloseTo(slow(11, bell, 1), 10);
    expect(ssim(a, b, { ...size, variant: "uniform7" })).toBeCloseTo(
      slow(7, () => 1, 49 / 48),
      10,
    );
  });
  it("agrees with PyTorch in all variants, and in the range of the truth", () => {
    const [p, q] = pair(19, 26);
    const options = { width: 26, height: 19, channels: 3 };
    for (const [variant, want] of Object.entries(numbers.ssim))
      expect(ssim(p, q, { ...options, variant: variant as SsimVariant }), variant).toBeCloseTo(want as number, 7);
    const ddiff = { ...options, variant: "uniform5", range: "reference" } as const;
    expect(ssim(p, q, ddiff)).toBeCloseTo(numbers.ssimReference, 7);
    expect(() => ssim(p, new Float32Array(p.length), ddiff)).toThrow(/not flat/);
  });
  it("halves large pictures as piq does, and those between two factors by the even one", () => {
    const [p, q] = pair(520, 600);
    expect(ssim(p, q, { width: 600, height: 520, channels: 3, variant: "piq" })).toBeCloseTo(numbers.ssimLarge, 7);
    // 384 and 640 are 1.5 and 2.5 times 256: both are halved
    for (const side of [384, 640]) {
      const [u, v] = [p, q].map((x) => Float32Array.from({ length: side * side }, (_, i) => x[i % x.length]!));
      const means = (x: Float32Array) =>
        Float32Array.from({ length: (side / 2) ** 2 }, (_, i) => {
          const at = 2 * side * Math.floor(i / (side / 2)) + 2 * (i % (side / 2));
          return (x[at]! + x[at + 1]! + x[at + side]! + x[at + side + 1]!) / 4;
        });
      const whole = ssim(u!, v!, { width: side, height: side, variant: "piq" });
      expect(whole).toBeCloseTo(ssim(means(u!), means(v!), { width: side / 2, height: side / 2 }), 6);
    }
  });
  it("is one for equals and refuses what does not fit", () => {
    expect(ssim(a, a, size)).toBeCloseTo(1, 12);
    expect(() => ssim(a, b, { width: 10, height: 10 })).toThrow(/expects 100 numbers/);
    expect(() => ssim([1], [1], { width: 1, height: 1 })).toThrow(/at least 11x11/);
  });
});
