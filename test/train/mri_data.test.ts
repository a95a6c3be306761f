import { expect, test } from "vitest";
import { rng } from "../../kernels/random.ts";
import { mriMask } from "../../src/physics/mri_masks.ts";
import { dispose } from "../../src/tensor/scope.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { heldOut, splitMask } from "../../src/train/kspace_split.ts";
import { centreOf } from "../../src/train/mri_centre.ts";
import { type MriBatch, mriData, operatorOf, PATTERNS } from "../../src/train/mri_data.ts";
import { expectClose, relativeL2 } from "../lib/close.ts";
import { discs } from "../lib/discs.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";

withGpu();

const [N, H, W, coils] = [2, 24, 20, 3];
const pictures = discs([N, H, W]);
const read = async (batch: MriBatch) => {
  const all = await evaluate(() => ({ Ax: operatorOf(batch).apply(batch.x) }));
  const entries = await Promise.all(Object.entries(batch).map(async ([k, t]) => [k, await t.read()] as const));
  return { ...(Object.fromEntries(entries) as Record<keyof MriBatch, Float32Array>), Ax: all.Ax };
};
const at = async (seed: number, options: Partial<Parameters<typeof mriData>[0]> = {}) => {
  const batch = await mriData({ pictures, coils, ...options })(rng(seed));
  const out = await read(batch);
  dispose(batch);
  return out;
};

test("k-space is what the operator measures, and noise of the level asked for where it was measured", async () => {
  for (const maps of ["birdcage", "smooth"] as const) {
    const clean = await at(5, { maps, noise: 0, patterns: [{ kind: "poisson", acceleration: 2 }] });
    expectClose(clean.y, clean.Ax, { l2: 1e-6 });
    for (let i = 0; i < H * W; i++) {
      const power = clean.maps.slice(2 * i * coils, 2 * (i + 1) * coils).reduce((a, v) => a + v * v, 0);
      expect(power).toBeCloseTo(1, 5);
    }
  }
  const { y, Ax, x, mask } = await at(5, { noise: 0.05, patterns: [{ kind: "poisson", acceleration: 2 }] });
  const difference = y.map((v, i) => v - (Ax[i] as number));
  for (const n of [0, 1]) {
    const rms = Math.sqrt(x.slice(n * H * W * 2, (n + 1) * H * W * 2).reduce((a, v) => a + v * v, 0) / (H * W));
    const seen = [...difference.slice(n * H * W * coils * 2, (n + 1) * H * W * coils * 2)].filter(
      (_, i) => mask[Math.floor(i / (2 * coils))],
    );
    const found = Math.sqrt(seen.reduce((a, v) => a + v * v, 0) / seen.length);
    expect(found / rms).toBeGreaterThan(0.047);
    expect(found / rms).toBeLessThan(0.053);
  }
  expect(difference.every((v, i) => mask[Math.floor(i / (2 * coils)) % (H * W)] || v === 0)).toBe(true);
});

test("magnitudes are the pictures over their white, with a phase that is smooth; peaks are told", async () => {
  const { x, peak } = await at(6, { white: 0.9, phase: 2 });
  const drawn = await pictures(rng(6));
  const m = (await drawn.read()).map((v) => (v + 1) / 2);
  drawn.dispose();
  for (const n of [0, 1]) {
    const own = m.slice(n * H * W, (n + 1) * H * W);
    const white = [...own].sort((a, b) => a - b)[Math.ceil(0.9 * H * W) - 1] as number;
    const found = own.map((_, i) => Math.hypot(x[2 * (n * H * W + i)] as number, x[2 * (n * H * W + i) + 1] as number));
    expectClose(
      found,
      own.map((v) => v / white),
      { l2: 1e-6 },
    );
    expect(peak[n]).toBeCloseTo(Math.max(...found), 5);
  }
  const phase = (i: number) => Math.atan2(x[2 * i + 1] as number, x[2 * i] as number);
  const turn = (a: number) => Math.abs(Math.atan2(Math.sin(a), Math.cos(a)));
  const steps = Array.from({ length: H * W - 1 }, (_, i) => i).filter((i) => (i + 1) % W && m[i] && m[i + 1]);
  expect(Math.max(...steps.map((i) => turn(phase(i + 1) - phase(i))))).toBeLessThan(1);
  expect(Math.max(...steps.map((i) => turn(phase(i) - phase(steps[0] as number))))).toBeGreaterThan(0.5);
});

test("a generator decides the batch, and draws another pattern, phase and coils for another", async () => {
  const [a, again, b] = [await at(1), await at(1), await at(2)];
  for (const key of Object.keys(a) as (keyof typeof a)[]) expect(again[key]).toEqual(a[key]);
  for (const key of ["x", "y", "mask", "maps"] as const) expect(relativeL2(b[key], a[key])).toBeGreaterThan(0.1);
  const kinds = new Set<string>();
  for (let seed = 0; seed < 12; seed++) kinds.add([...(await at(seed)).mask].join(""));
  expect(kinds.size).toBeGreaterThanOrEqual(PATTERNS.length - 1);
});

test("the centre is what was measured whole in the middle", async () => {
  const row = [0, 1, 0, 0, 1, 1, 1, 1, 1, 0, 1, 0];
  const columns = centreOf(
    Array.from({ length: 10 * 12 }, (_, i) => row[i % 12] as number),
    [10, 12],
  );
  // fastMRI: 2 to the left of column 6 and 3 from it on, so 4
  expect([...columns.slice(12, 24)]).toEqual([0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0]);
  expect(columns.reduce((a, b) => a + b)).toBe(40);
  const mask = mriMask("poisson", [32, 32], rng(3), { acceleration: 4, centre: 0.25 });
  const points = await mask.read();
  mask.dispose();
  const box = centreOf(points, [32, 32]);
  const side = Math.sqrt(box.reduce((a, b) => a + b));
  expect(side).toBe(8);
  expect(box.every((v, i) => !v || points[i])).toBe(true);
  expect(centreOf(new Float32Array(32 * 32), [32, 32]).reduce((a, b) => a + b)).toBe(16);
});

test("the split shares no sample, loses none, keeps as many as asked, and always the middle if asked", () => {
  const mask = Float32Array.from({ length: H * W }, (_, i) => (i % 3 ? 1 : 0));
  const count = mask.reduce((a, b) => a + b);
  for (const centre of [0, 3]) {
    const { seen, held } = splitMask(mask, [H, W], rng(4), { keep: 0.9, centre });
    expect(seen.map((v, i) => v + (held[i] as number))).toEqual(mask);
    expect(seen.reduce((a, b) => a + b)).toBe(Math.floor(0.9 * count));
    if (centre) for (let i = 10; i < 15; i++) for (let j = 8; j < 13; j++) expect(held[i * W + j]).toBe(0);
  }
  const [a, b] = [4, 5].map((seed) => splitMask(mask, [H, W], rng(seed), {}).held);
  expect(a).not.toEqual(b);
  expect(() => splitMask(mask, [H, W], rng(4), { keep: 1 })).toThrow(/keep must be between 0 and 1, got 1/);
});

test("a split batch is the whole one, taken apart", async () => {
  const data = mriData({ pictures, coils });
  const [whole, split] = [await data(rng(3)), await heldOut(data)(rng(3))];
  const [y, seen, held] = [await whole.y.read(), await split.y.read(), await split.target.read()];
  dispose([whole, split]);
  expect(seen.map((v, i) => v + (held[i] as number))).toEqual(y);
  expect(seen.some((v, i) => v !== 0 && held[i] !== 0)).toBe(false);
});

test("a black picture is no reason to stop", async () => {
  const black = async () => tensor([1, 16, 16, 1], new Float32Array(256).fill(-1));
  const { x, y, peak } = await at(1, { pictures: black });
  expect([...x, ...y].every((v) => v === 0)).toBe(true);
  expect([...peak]).toEqual([1]);
});
