import { expect, test } from "vitest";
import * as reference from "../../kernels/prox_fourier.reference.ts";
import { convolve, proxFourier } from "../../kernels/prox_fourier.ts";
import { vjp } from "../../src/autograd/vjp.ts";
import { otf, psf2otf } from "../../src/physics/psf.ts";
import { type Tensor, tensor, upload } from "../../src/tensor/tensor.ts";
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
const CASES: [Shape, number[][][]][] = [
  [[1, 1, 1, 1], [psf(1, 1, 1)]],
  [[2, 6, 5, 3], [psf(3, 3, 2)]],
  [
    [1, 7, 8, 2],
    [psf(2, 4, 3), psf(3, 2, 4)],
  ],
  [[3, 4, 6, 1], [psf(5, 7, 5)]],
];
const numbers = (shape: readonly number[], seed: number) =>
  asF32(
    normals(
      shape.reduce((a, b) => a * b, 1),
      seed,
    ),
  );

test.each(CASES)("blur of pictures %j, and its adjoint", async (shape, psfs) => {
  const [x, g] = [numbers(shape, 1), numbers(shape, 2)];
  const out = await evaluate(() => {
    const B = otf({ channels: psfs }, shape[1], shape[2]);
    const t = tensor(shape, x);
    return {
      y: convolve(t, B),
      at: convolve(tensor(shape, g), B, { adjoint: true }),
      vjp: vjp((p) => convolve(p, B), t).pullback(tensor(shape, g))[0],
    };
  });
  expectClose(out.y, reference.convolve(psfs, x, shape), { l2: 2e-6 });
  const unit = (i: number) => Float64Array.from(x, (_, j) => Number(i === j));
  const adjoint = x.map((_, i) =>
    reference.convolve(psfs, unit(i), shape).reduce((s, v, j) => s + v * (g[j] as number), 0),
  );
  expectClose(out.at, adjoint, { l2: 2e-6 });
  expectClose(out.vjp, adjoint, { l2: 2e-6 });
});

test.each(CASES)("the solve for pictures %j and every rho, against a dense one", async (shape, psfs) => {
  const [y, v] = [numbers(shape, 1), numbers(shape, 2)];
  for (const rho of [0, 1e-3, 0.5, 100, 1e20, Number.POSITIVE_INFINITY]) {
    const { x } = await evaluate(() => ({
      x: proxFourier({
        otf: otf({ channels: psfs }, shape[1], shape[2]),
        y: tensor(shape, y),
        v: tensor(shape, v),
        rho,
      }),
    }));
    expectClose(x, reference.proxFourier(psfs, y, v, shape, rho), { l2: 5e-6 });
  }
});

test("rho 0 leaves v where the blur lets nothing through", async () => {
  // the mean of two neighbours in a row of two: frequency 1 is lost
  const box = [[0.5, 0.5]];
  const { x } = await evaluate(() => ({
    x: proxFourier({ otf: otf(box, 1, 2), y: tensor([1, 1, 2, 1], [3, 3]), v: tensor([1, 1, 2, 1], [1, -1]), rho: 0 }),
  }));
  expectClose(x, [4, 2], { l2: 1e-6 });
});

test("complex pictures, with a spectrum that is of no real kernel", async () => {
  const shape: Shape = [2, 5, 6, 3];
  const [y, v, g] = [1, 2, 3].map((seed) => asF32(normals(360, seed))) as [Float64Array, Float64Array, Float64Array];
  const b = asF32(normals(60, 4));
  const out = await evaluate(() => {
    const B = tensor([1, 5, 6, 1], b, "c64");
    const [ty, tv, tg] = [y, v, g].map((d) => tensor(shape, d, "c64")) as [Tensor, Tensor, Tensor];
    const f = (p: Tensor, q: Tensor) => proxFourier({ otf: B, y: p, v: q, rho: 0.2 });
    return { x: f(ty, tv), grads: vjp(f, ty, tv).pullback(tg) };
  });
  const zero = new Float64Array(360);
  expectClose(out.x, reference.proxSpectra(b, y, v, shape, 0.2), { l2: 2e-6 });
  expectClose(out.grads[1], reference.proxSpectra(b, zero, g, shape, 0.2), { l2: 2e-6 });
  const conj = b.map((p, i) => (i % 2 ? -p : p));
  expectClose(out.grads[0], reference.proxSpectra(conj, g, zero, shape, 0.2), { l2: 2e-6 });
});

test("a batch with an OTF to each picture", async () => {
  const shape: Shape = [2, 4, 4, 1];
  const psfs = [psf(3, 3, 1), psf(2, 2, 2)];
  const [y, v] = [numbers(shape, 1), numbers(shape, 2)];
  const { x } = await evaluate(() => {
    const B = tensor(
      [2, 4, 4, 1],
      psfs.flatMap((p) => [...psf2otf(p, 4, 4)]),
      "c64",
    );
    return { x: proxFourier({ otf: B, y: tensor(shape, y), v: tensor(shape, v), rho: 0.2 }) };
  });
  const each = psfs.flatMap((p, i) => [
    ...reference.proxFourier([p], y.slice(16 * i), v.slice(16 * i), [1, 4, 4, 1], 0.2),
  ]);
  expectClose(x, each, { l2: 5e-6 });
});

test("its gradients, and those of the gradients", async () => {
  const shape: Shape = [1, 4, 5, 3];
  const psfs = [psf(3, 2, 7)];
  const [y, v, g] = [1, 2, 3].map((seed) => numbers(shape, seed)) as [Float64Array, Float64Array, Float64Array];
  const out = await evaluate(() => {
    const B = otf(psfs[0] as number[][], 4, 5);
    const [ty, tv, tg] = [y, v, g].map((d) => tensor(shape, d)) as [Tensor, Tensor, Tensor];
    const f = (p: Tensor, q: Tensor) => proxFourier({ otf: B, y: p, v: q, rho: 0.4 });
    const twice = vjp((h) => vjp((p) => f(p, tv), ty).pullback(h)[0], tg);
    return { first: vjp(f, ty, tv).pullback(tg), twice: twice.pullback(ty)[0] };
  });
  const zero = new Float64Array(60);
  const unit = (i: number) => Float64Array.from(zero, (_, j) => Number(i === j));
  const inner = (a: Float64Array) => a.reduce((s, x, i) => s + x * (g[i] as number), 0);
  expectClose(
    out.first[0],
    y.map((_, i) => inner(reference.proxFourier(psfs, unit(i), zero, shape, 0.4))),
    { l2: 5e-6 },
  );
  expectClose(
    out.first[1],
    v.map((_, i) => inner(reference.proxFourier(psfs, zero, unit(i), shape, 0.4))),
    { l2: 5e-6 },
  );
  expectClose(out.twice, reference.proxFourier(psfs, y, zero, shape, 0.4), { l2: 5e-6 });
});

test("new numbers in the same measurement are seen", async () => {
  const out = await evaluate(() => {
    const [B, v, y] = [otf([[1]], 2, 2), tensor([1, 2, 2, 1], [0, 0, 0, 0]), tensor([1, 2, 2, 1], [1, 2, 3, 4])];
    const before = proxFourier({ otf: B, y, v, rho: 0 });
    upload(y, [5, 6, 7, 8]);
    return { before, after: proxFourier({ otf: B, y, v, rho: 0 }) };
  });
  expectClose(out.before, [1, 2, 3, 4], { l2: 1e-6 });
  expectClose(out.after, [5, 6, 7, 8], { l2: 1e-6 });
});

test("refuses what does not fit, by name and numbers", async () => {
  await evaluate(() => {
    const [B, x] = [otf([[1]], 2, 2), tensor([1, 2, 3, 1], normals(6, 1))];
    expect(() => proxFourier({ otf: B, y: x, v: x, rho: 1 })).toThrow(
      "proxFourier: expected an otf c64 [1 | N, 2, 3, 1 | C] for pictures [1,2,3,1], got c64 [1,2,2,1]",
    );
    return [];
  });
});
