import { describe, expect, it } from "vitest";
import { residual } from "../../src/metrics/residual.ts";

describe("residual", () => {
  it("is mean square, its excess over the noise, and chi^2/m", () => {
    expect(residual([0.3, -0.1, 0, 0.4], 0.2)).toEqual({
      meanSquare: expect.closeTo(0.065, 12),
      excess: expect.closeTo(0.025, 12),
      chi2: expect.closeTo(1.625, 12),
    });
    // half of the numbers were never measured
    expect(residual([0.3, -0.1, 0, 0], 0.2, { count: 2 }).chi2).toBeCloseTo(1.25, 12);
    expect(residual([1], 0).chi2).toBeNaN();
    expect(() => residual([], 1)).toThrow(/expects a measurement/);
  });
});
