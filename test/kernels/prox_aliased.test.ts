import { expect, test } from "vitest";
import { proxAliased as reference } from "../../kernels/prox_aliased.reference.ts";
import { proxAliased } from "../../kernels/prox_aliased.ts";
import { vjp } from "../../src/autograd/vjp.ts";
import { otf, psf2otf } from "../../src/physics/psf.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals, uniforms } from "../lib/random.ts";

withGpu();

type Shape = readonly [number, number, number, number];
/** A PSF without symmetry, whose spectrum has no zero: a unit beside small taps. */
const psf = (h: number, w: number, seed: number): number[][] => {
  const u = uniforms(h * w, seed, -0.4 / (h * w), 0.6 / (h * w));
  return Array.from({ length: h }, (_, i) =>
    Array.from({ length: w }, (_, j) => (u[i * w + j] as number) + Number(i === 0 && j === w - 1)),
  );
};
const numbers = (shape: readonly number[], seed: number) =>
  asF32(
    normals(
      shape.reduce((a, b) => a * b, 1),
      seed,
    ),
  );
const CASES: [Shape, number, number[][][]][] = [
  [[1, 1, 1, 1], 1, [psf(1, 1, 1)]],
  [[1, 2, 2, 1], 2, [psf(2, 2, 1)]],
  [[2, 8, 6, 3], 2, [psf(3, 4, 2)]],
  [[1, 9, 6, 2], 3, [psf(4, 3, 3), psf(3, 3, 4)]],
  [[1, 8, 12, 1], 4, [psf(5, 5, 5)]],
  [[2, 6, 5, 1], 1, [psf(3, 2, 6)]],
];
const lowOf = ([n, h, w, c]: Shape, f: number): Shape => [n, h / f, w / f, c];

test.each(CASES)("pictures %j decimated by %i, every rho, against a dense solve", async (shape, factor, psfs) => {
  const low = lowOf(shape, factor);
  const [y, v] = [numbers(low, 1), numbers(shape, 2)];
  for (const rho of [0, 1e-3, 0.5, 100, 1e20, Number.POSITIVE_INFINITY]) {
    const { x } = await evaluate(() => ({
      x: proxAliased({
        otf: otf({ channels: psfs }, shape[1], shape[2]),
        y: tensor(low, y),
        v: tensor(shape, v),
        rho,
        factor,
      }),
    }));
    expectClose(x, reference(psfs, y, v, shape, factor, rho), { l2: 5e-6 });
  }
});

test.each(CASES.slice(2, 5))(
  "gradients for %j decimated by %i, and those of the gradients",
  async (shape, factor, psfs) => {
    const low = lowOf(shape, factor);
    const [y, v, g] = [numbers(low, 1), numbers(shape, 2), numbers(shape, 3)];
    const out = await evaluate(() => {
      const B = otf({ channels: psfs }, shape[1], shape[2]);
      const [ty, tv, tg] = [tensor(low, y), tensor(shape, v), tensor(shape, g)];
      const f = (a: Tensor, b: Tensor) => proxAliased({ otf: B, y: a, v: b, rho: 0.3, factor });
      const twice = vjp((h) => vjp((a) => f(a, tv), ty).pullback(h)[0], tg);
      return { first: vjp(f, ty, tv).pullback(tg), twice: twice.pullback(ty)[0] };
    });
    const [noY, noV] = [new Float64Array(y.length), new Float64Array(v.length)];
    // the solve is linear: <P(a, b), g> along the gradient, along a random direction, and at a few units
    const along = (a: Float64Array, b: Float64Array) =>
      reference(psfs, a, b, shape, factor, 0.3).reduce((s, x, i) => s + x * (g[i] as number), 0);
    const inner = (a: ArrayLike<number>, b: ArrayLike<number>) =>
      Array.from(a).reduce((s, x, i) => s + x * (b[i] as number), 0);
    const [dy, dv] = out.first.map((d) => Float64Array.from(d)) as [Float64Array, Float64Array];
    for (const direction of [dy, y]) expect(inner(dy, direction) / along(direction, noV)).toBeCloseTo(1, 4);
    for (const direction of [dv, v]) expect(inner(dv, direction) / along(noY, direction)).toBeCloseTo(1, 4);
    const units = Array.from({ length: 9 }, (_, i) => Math.floor((i * v.length) / 9));
    const at = (n: number, i: number) => Float64Array.from({ length: n }, (_, j) => Number(i === j));
    expectClose(
      units.map((i) => dv[i] as number),
      units.map((i) => along(noY, at(v.length, i))),
      { l2: 5e-6 },
    );
    const some = y.length > 9 ? units.map((i) => i % y.length) : [...y.keys()];
    expectClose(
      some.map((i) => dy[i] as number),
      some.map((i) => along(at(y.length, i), noV)),
      { l2: 5e-6 },
    );
    expectClose(out.twice, reference(psfs, y, noV, shape, factor, 0.3), { l2: 5e-6 });
  },
);

test("a batch with an OTF to each picture", async () => {
  const psfs = [psf(3, 3, 1), psf(2, 4, 2)];
  const [y, v] = [numbers([2, 2, 3, 2], 1), numbers([2, 4, 6, 2], 2)];
  const planes = psfs.flatMap((p) => [...psf2otf(p, 4, 6)]);
  const { x } = await evaluate(() => ({
    x: proxAliased({
      otf: tensor([2, 4, 6, 1], planes, "c64"),
      y: tensor([2, 2, 3, 2], y),
      v: tensor([2, 4, 6, 2], v),
      rho: 0.2,
      factor: 2,
    }),
  }));
  const each = psfs.flatMap((p, i) => [
    ...reference([p], y.slice(12 * i, 12 * i + 12), v.slice(48 * i, 48 * i + 48), [1, 4, 6, 2], 2, 0.2),
  ]);
  expectClose(x, each, { l2: 5e-6 });
});

test("refuses what does not fit, by name and numbers", async () => {
  await evaluate(() => {
    const [B, v] = [otf([[1]], 4, 6), tensor([1, 4, 6, 1], normals(24, 1))];
    expect(() => proxAliased({ otf: B, y: v, v, rho: 1, factor: 2 })).toThrow(
      "proxAliased: expected y f32 [1,2,3,1] for v f32 [1,4,6,1] and factor 2, got f32 [1,4,6,1]",
    );
    return [];
  });
});
