import { describe, expect, test } from "vitest";
import {
  ddpmLevels,
  ddpmTable,
  geometric,
  grid,
  iddpmLevels,
  iddpmTable,
  karras,
  quadTimes,
  squareTimes,
  uniformTimes,
  vpLevels,
  vpSigma,
  vpTime,
} from "../../src/diffusion/schedules.ts";

const edmRange = { sigmaMin: 0.002, sigmaMax: 80 };

describe("the discrete process", () => {
  const { alphaBar, sigma, beta } = ddpmTable();
  test("has the published ends", () => {
    expect([beta[0], beta[999]]).toEqual([1e-4, 2e-2]);
    expect(alphaBar[999]).toBeCloseTo(4.0358e-5, 9);
    expect(sigma[0]).toBeCloseTo(0.0100005, 7);
    expect(sigma[999]).toBeCloseTo(157.407, 3);
  });
  test("keeps its end whatever the number of steps", () => {
    expect(ddpmTable({ steps: 250 }).sigma.at(-1)).toBeCloseTo(175.02, 2);
  });
  test("is visited at the published times", () => {
    expect(quadTimes(100).slice(0, 6)).toEqual([0, 100, 142, 174, 201, 224].map((i) => 999 - i));
    expect(quadTimes(100).at(-1)).toBe(0);
    expect(squareTimes(3)).toEqual([999, 444, 111]);
    expect(uniformTimes(20)).toEqual(Array.from({ length: 20 }, (_, i) => 950 - 50 * i));
  });
  test("stops where the denoiser's knowledge does", () => {
    const at = (sigmaMax: number) => grid(ddpmLevels(quadTimes), 100, { sigmaMin: 0.002, sigmaMax });
    expect(at(157.41)[0]).toBeCloseTo(157.407, 3);
    expect(at(60)[0]).toBeLessThanOrEqual(60);
    expect(at(60)[0]).toBeGreaterThan(59);
    expect(at(60)).toHaveLength(101);
    expect(() => at(0.001)).toThrow("above sigmaMax 0.001");
  });
});

describe("grids", () => {
  test("of Karras, 18 steps", () => {
    const want = [
      80, 57.586, 40.786, 28.375, 19.352, 12.91, 8.401, 5.315, 3.257, 1.923, 1.088, 0.585, 0.296, 0.14, 0.06, 0.023,
      0.0075, 0.002, 0,
    ];
    const got = karras(18, edmRange);
    expect(got).toHaveLength(want.length);
    for (const [i, s] of got.entries()) expect(Math.abs(s - (want[i] as number))).toBeLessThanOrEqual(0.0006);
  });
  test("of DAPS: 100, 97.825, ..., .106, 0", () => {
    const got = karras(201, { sigmaMin: 0.1, sigmaMax: 100 });
    expect(got[0]).toBeCloseTo(100, 10);
    expect(got[1]).toBeCloseTo(97.825, 3);
    expect(got[199]).toBeCloseTo(0.106, 3);
  });
  test("one step is one level", () => {
    for (const levels of [karras, geometric, vpLevels]) expect(levels(1, edmRange)).toEqual([expect.closeTo(80, 9), 0]);
  });
  test("geometric: equal ratios", () => {
    const got = geometric(1000, { sigmaMin: 0.01, sigmaMax: 50 });
    expect([got[0], got[999], got[1000]]).toEqual([50, expect.closeTo(0.01, 12), 0]);
    expect((got[1] as number) / (got[0] as number)).toBeCloseTo((0.01 / 50) ** (1 / 999), 12);
  });
  test("of the continuous process: sigma(t), its inverse, its grid", () => {
    expect(vpSigma(1)).toBeCloseTo(152.167, 3);
    expect(vpSigma(1e-3)).toBeCloseTo(0.0104838, 4);
    for (const t of [1e-3, 0.1, 0.5, 1]) expect(vpTime(vpSigma(t))).toBeCloseTo(t, 12);
    const got = vpLevels(18, { sigmaMin: 0.002, sigmaMax: 160 });
    expect([got[0], got[17]]).toEqual([vpSigma(1), expect.closeTo(vpSigma(1e-3), 14)]);
    expect(vpTime(got[1] as number)).toBeCloseTo(1 - 0.999 / 17, 12);
  });
  test("of improved DDPM", () => {
    const u = iddpmTable();
    for (const [j, s] of [
      [0, 20291.14],
      [1, 641.66156],
      [10, 64.161018],
      [500, 1.0123875],
      [999, 0.0064223],
      [1000, 0],
    ] as const)
      expect(Math.abs((u[j] as number) - s)).toBeLessThanOrEqual(Math.max(5e-6 * s, 1e-5));
    const got = iddpmLevels(18, { sigmaMin: 0.002, sigmaMax: 81 });
    expect(got).toHaveLength(19);
    expect(got[0]).toBeLessThanOrEqual(81);
    for (const s of got.slice(0, -1)) expect(u).toContain(s);
  });
  test("a thousand steps of a denoiser that knows fewer levels", () => {
    const { sigma } = ddpmTable();
    const all = grid(ddpmLevels(), 1000, { sigmaMin: 0.004, sigmaMax: 60 });
    expect(all).toHaveLength(1001);
    const known = sigma.filter((s) => s <= 60).length;
    expect(known).toBeLessThan(1000);
    expect([all[0], all[999], all[1000]]).toEqual([sigma[known - 1], sigma[0], 0]);
    for (let i = 0; i < 1000; i++) expect(all[i]).toBeGreaterThan(all[i + 1] as number);
    // the same where steps are fewer than all but more than it knows
    const few = grid(ddpmLevels(), 199, { sigmaMin: 0.004, sigmaMax: sigma[99] as number });
    expect(few.length).toBe(200);
    const whole = grid(ddpmLevels(), 50, { sigmaMin: 0.004, sigmaMax: sigma[99] as number });
    expect(whole.slice(0, 3)).toEqual([sigma[98], sigma[96], sigma[94]]);
  });
  test("that rise or are no numbers are refused", () => {
    expect(() => grid([1, 2], 2, edmRange)).toThrow("level 1 of 3 is 2, after 1");
    expect(() => grid([Number.NaN], 1, edmRange)).toThrow("level 0");
    expect(() => karras(0, edmRange)).toThrow("1 step or more, got 0");
    expect(() => uniformTimes(2000)).toThrow("2000 steps of 1000");
  });
});
