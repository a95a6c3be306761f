import { describe, expect, test } from "vitest";
import { rng } from "../../kernels/random.ts";
import { MRI_MASKS, type MriMask, type MriMaskOptions, mriMask } from "../../src/physics/mri_masks.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";

withGpu();

const draw = async (kind: MriMask, [H, W]: [number, number], seed: number, options?: MriMaskOptions) =>
  (await evaluate(() => ({ m: mriMask(kind, [H, W], rng(seed), options) }))).m;
const total = (m: Float32Array) => m.reduce((a, b) => a + b, 0);
/** Which columns are measured; every row must be the same. */
async function row(kind: MriMask, N: number, seed: number, options?: MriMaskOptions) {
  const m = await draw(kind, [3, N], seed, options);
  for (let i = 0; i < 3; i++) expect([...m.subarray(i * N, (i + 1) * N)]).toEqual([...m.subarray(0, N)]);
  return m.subarray(0, N);
}
const DRAWS = 100;
const N = 320;

/** Mean over draws of each column, and of their number. */
async function statistics(kind: MriMask, options: MriMaskOptions) {
  const mean = new Float64Array(N);
  for (let seed = 0; seed < DRAWS; seed++)
    for (const [k, v] of (await row(kind, N, seed, options)).entries()) mean[k]! += v / DRAWS;
  return { mean, count: mean.reduce((a, b) => a + b, 0) };
}

describe("columns of 320", () => {
  test.each([
    [4, 0.08],
    [8, 0.04],
  ])("uniform1d, R = %i, centre %f: as many draws as are left, with repeats", async (R, cf) => {
    const { mean, count } = await statistics("uniform1d", { acceleration: R, centre: cf });
    const acs = Math.floor(N * cf);
    const draws = N / R - acs;
    for (let k = 0; k < acs; k++) expect(mean[160 - Math.floor(acs / 2) + k]).toBeCloseTo(1, 9);
    const expected = acs + (N - acs) * (1 - (1 - 1 / N) ** draws);
    expect(count / expected).toBeCloseTo(1, 1.7);
    expect(N / count).toBeGreaterThan(R);
    // left and right alike
    const left = mean.subarray(0, 140).reduce((a, b) => a + b, 0);
    const right = mean.subarray(180).reduce((a, b) => a + b, 0);
    expect(Math.abs(left - right)).toBeLessThan(3);
  });

  test("gaussian1d: floor(1.2 N/R) columns of N(N/2, 15 N/128), repeats merged", async () => {
    const { mean, count } = await statistics("gaussian1d", { acceleration: 8, centre: 0.04 });
    const deviation = (15 * N) / 128;
    const draws = Math.floor((1.2 * N) / 8);
    const density = (k: number) =>
      Math.exp(-((k + 0.5 - N / 2) ** 2) / (2 * deviation ** 2)) / (deviation * Math.sqrt(2 * Math.PI));
    const acs = (k: number) => k >= 160 - 6 && k < 160 + 6;
    let expected = 0;
    for (let k = 0; k < N; k++) expected += acs(k) ? 1 : 1 - (1 - density(k)) ** draws;
    expect(count / expected).toBeCloseTo(1, 1.5);
    // the spread of what lies outside the centre, against the density's own
    const moment = (p: (k: number) => number) => {
      let [a, b] = [0, 0];
      for (let k = 0; k < N; k++)
        if (!acs(k)) {
          a += p(k);
          b += p(k) * (k - N / 2) ** 2;
        }
      return Math.sqrt(b / a);
    };
    expect(moment((k) => mean[k] as number) / moment((k) => 1 - (1 - density(k)) ** draws)).toBeCloseTo(1, 1);
  });

  test("equispaced: N/R columns in all, evenly apart, from every offset", async () => {
    const offsets = new Set<number>();
    for (let seed = 0; seed < 30; seed++) {
      const m = await row("equispaced", N, seed, { acceleration: 4, centre: 0.08 });
      expect(Math.abs(total(m) - N / 4)).toBeLessThanOrEqual(2);
      expect([...m.subarray(148, 173)]).toEqual(new Array(25).fill(1).map((_, i) => m[148 + i]));
      for (let k = 0; k < 26; k++) expect(m[147 + k]).toBe(1);
      const outside = [...m.keys()].filter((k) => m[k] && (k < 147 || k > 172));
      const gaps = outside.slice(1).map((k, i) => k - (outside[i] as number));
      // the step is 4 (26 - 320)/(26 * 4 - 320) = 5.44
      expect(gaps.filter((g) => g === 5 || g === 6).length).toBeGreaterThanOrEqual(gaps.length - 1);
      offsets.add(outside[0] as number);
    }
    expect([...offsets].sort()).toEqual([0, 1, 2, 3, 4]);
  });

  test("random: each other column alike, N/R in the mean", async () => {
    const { mean, count } = await statistics("random", { acceleration: 4, centre: 0.08 });
    expect(count / 80).toBeCloseTo(1, 1.5);
    const p = (80 - 26) / (320 - 26);
    const left = mean.subarray(0, 147).reduce((a, b) => a + b, 0) / 147;
    expect(Math.abs(left - p)).toBeLessThan(4 * Math.sqrt((p * (1 - p)) / (147 * DRAWS)));
  });

  test("a centre for an odd number of columns, and one that all fills", async () => {
    const m = await row("random", 181, 0, { acceleration: 1, centre: 0.08 });
    expect(total(m)).toBe(181);
    const few = await row("uniform1d", 181, 0, { acceleration: 12.5, centre: 0.08 });
    expect(few.subarray(83, 97)).toEqual(new Float32Array(14).fill(1));
    expect(total(few)).toBe(14);
  });
});

describe("points", () => {
  test("gaussian2d: floor(H W/R) points of N(1/2, 1.5/128) of each side, repeats merged", async () => {
    const [H, W] = [96, 128];
    const [sum, square] = [
      [0, 0],
      [0, 0],
    ];
    let [count, expected] = [0, 0];
    const draws = Math.floor((H * W) / 8);
    const spread = Math.sqrt(1.5 / 128);
    const density = (k: number, n: number) =>
      Math.exp(-(((k + 0.5) / n - 0.5) ** 2) / (2 * spread ** 2)) / (spread * n * Math.sqrt(2 * Math.PI));
    let chance = 0;
    let second = 0;
    for (let i = 0; i < H; i++)
      for (let j = 0; j < W; j++) {
        const p = 1 - (1 - density(i, H) * density(j, W)) ** draws;
        chance += p;
        second += p * ((j + 0.5) / W - 0.5) ** 2;
      }
    for (let seed = 0; seed < 5; seed++) {
      const m = await draw("gaussian2d", [H, W], seed, { acceleration: 8 });
      for (const [at, v] of m.entries()) {
        if (!v) continue;
        const place = [(Math.floor(at / W) + 0.5) / H - 0.5, ((at % W) + 0.5) / W - 0.5] as const;
        for (const axis of [0, 1] as const) {
          sum[axis] = (sum[axis] as number) + place[axis];
          square[axis] = (square[axis] as number) + place[axis] ** 2;
        }
        count++;
      }
      expected += chance;
    }
    expect(count / expected).toBeCloseTo(1, 1.5);
    for (const axis of [0, 1]) {
      expect(Math.abs((sum[axis] as number) / count)).toBeLessThan(0.01);
      expect(Math.sqrt((square[axis] as number) / count) / Math.sqrt(second / chance)).toBeCloseTo(1, 1.3);
    }
  });

  test.each([0, 2, 4])("poisson, spread %i: exactly H W/R, apart, sparser outwards", async (spread) => {
    const [H, W, R] = [64, 80, 6];
    const m = await draw("poisson", [H, W], 3, { acceleration: R, centre: 0.1, spread });
    expect(total(m)).toBe(Math.round((H * W) / R));
    const inside = (i: number, j: number) => i >= 29 && i < 35 && j >= 36 && j < 44;
    const points: [number, number][] = [];
    for (let i = 0; i < H; i++)
      for (let j = 0; j < W; j++) {
        if (inside(i, j)) expect(m[i * W + j]).toBe(1);
        else if (m[i * W + j]) points.push([i, j]);
      }
    const far = ([i, j]: [number, number]) => Math.hypot((2 * i - H) / H, (2 * j - W) / W);
    /** Distance to the nearest other point, in units of the distance asked for. */
    const apart = points.map((p) =>
      Math.min(...points.filter((q) => q !== p).map((q) => Math.hypot(p[0] - q[0], p[1] - q[1]))),
    );
    const scaled = points.map((p, i) => (apart[i] as number) / (1 + (spread * far(p)) / Math.SQRT2));
    // thrown without rule, the nearest of one point in six lies next to it: some would be 1 apart at any distance
    expect(Math.min(...scaled)).toBeGreaterThan(spread ? 0.6 : 1.4);
    const mean = (keep: (d: number) => boolean) => {
      const list = apart.filter((_, i) => keep(far(points[i] as [number, number])));
      return list.reduce((a, b) => a + b, 0) / list.length;
    };
    const ratio = mean((d) => d > 0.9) / mean((d) => d < 0.5);
    if (spread) expect(ratio).toBeGreaterThan(1 + spread / 6);
    else expect(ratio).toBeCloseTo(1, 0.7);
  });
});

test("the seed decides, and what cannot be is refused", async () => {
  for (const kind of MRI_MASKS) {
    const [a, b, c] = [await draw(kind, [32, 40], 1), await draw(kind, [32, 40], 1), await draw(kind, [32, 40], 2)];
    expect(a).toEqual(b);
    expect(a).not.toEqual(c);
    expect(a.every((v) => v === 0 || v === 1)).toBe(true);
  }
  const said = (kind: MriMask, options: MriMaskOptions) => {
    try {
      mriMask(kind, [32, 32], rng(0), options);
    } catch (error) {
      return (error as Error).message;
    }
    return "nothing";
  };
  expect(said("uniform1d", { acceleration: 8, centre: 0.5 })).toMatch(
    /^mriMask: a centre of 16 of 32 columns is more than one in 8;/,
  );
  expect(said("poisson", { acceleration: 8, centre: 0.5 })).toMatch(
    /^mriMask: a centre of 16x16 is more than the 128 samples/,
  );
  expect(said("random", { acceleration: 0.5 })).toMatch(/^mriMask: acceleration must be 1 or more/);
  expect(said("random", { centre: 2 })).toMatch(/^mriMask: centre must be between 0 and 1/);
  expect(said("poisson", { spread: -1, centre: 0 })).toMatch(/^mriMask: spread must be 0 or more/);
});
