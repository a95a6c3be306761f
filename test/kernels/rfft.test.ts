import { expect, test } from "vitest";
import * as reference from "../../kernels/rfft.reference.ts";
import { irfft2, rfft2 } from "../../kernels/rfft.ts";
import { vjp } from "../../src/autograd/vjp.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals } from "../lib/random.ts";

withGpu();

const SHAPES = [
  [1, 1, 1, 1],
  [2, 1, 7, 1],
  [1, 2, 3, 5],
  [3, 16, 8, 1],
  [2, 15, 9, 3],
  [1, 37, 12, 4],
  [1, 64, 60, 3],
] as const;
const half = (h: number) => Math.floor(h / 2) + 1;

test.each(SHAPES)("real pictures [%i, %i, %i, %i] to half spectra and back", async (...shape) => {
  const [n, h, w, c] = shape;
  const x = asF32(normals(n * h * w * c, h));
  const out = await evaluate(() => {
    const there = rfft2(tensor(shape, x));
    return { there, back: irfft2(there, { height: h }), ortho: rfft2(tensor(shape, x), { norm: "ortho" }) };
  });
  expectClose(out.there, reference.rfft2(x, shape), { l2: 1e-6 });
  expectClose(out.ortho, reference.rfft2(x, shape, (h * w) ** -0.5), { l2: 1e-6 });
  expectClose(out.back, x, { l2: 1e-6 });
});

test.each(SHAPES)("half spectra that are not of real pictures [%i, %i, %i, %i]", async (...shape) => {
  const [n, h, w, c] = shape;
  const spectrum = [n, half(h), w, c];
  const x = asF32(normals(2 * n * half(h) * w * c, w));
  const { y } = await evaluate(() => ({ y: irfft2(tensor(spectrum, x, "c64"), { height: h, norm: "ortho" }) }));
  expectClose(y, reference.irfft2(x, spectrum, h, (h * w) ** -0.5), { l2: 1e-6 });
});

/** sum over re and im of a b. */
const inner = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((s, v, i) => s + v * (b[i] as number), 0);

test.each([
  [2, 8, 5, 1],
  [1, 9, 4, 3],
] as const)("gradients of both for [%i, %i, %i, %i], and of the gradient", async (...shape) => {
  const [n, h, w, c] = shape;
  const spectrum = [n, half(h), w, c];
  const [x, r] = [asF32(normals(n * h * w * c, 1)), asF32(normals(n * h * w * c, 2))];
  const [z, g] = [asF32(normals(2 * n * half(h) * w * c, 3)), asF32(normals(2 * n * half(h) * w * c, 4))];
  const out = await evaluate(() => {
    const [tx, tz, tg] = [tensor(shape, x), tensor(spectrum, z, "c64"), tensor(spectrum, g, "c64")];
    return {
      forth: vjp((p) => rfft2(p), tx).pullback(tg)[0],
      back: vjp((p) => irfft2(p, { height: h }), tz).pullback(tensor(shape, r))[0],
      twice: vjp((q) => vjp((p) => rfft2(p), tx).pullback(q)[0], tg).pullback(tx)[0],
    };
  });
  // <F x, g> = <x, F' g> for every x is the adjoint: against unit vectors of the float64 reference
  const unit = (count: number, i: number) =>
    new Float64Array(count)
      .fill(1, i, i + 1)
      .fill(0, 0, i)
      .fill(0, i + 1);
  expectClose(
    out.forth,
    Array.from(x, (_, i) => inner(reference.rfft2(unit(x.length, i), shape), g)),
    { l2: 1e-6 },
  );
  expectClose(
    out.back,
    Array.from(z, (_, i) => inner(reference.irfft2(unit(z.length, i), spectrum, h, 1 / (h * w)), r)),
    { l2: 1e-6 },
  );
  expectClose(out.twice, reference.rfft2(x, shape), { l2: 1e-6 });
});

test("refuses what it cannot transform, by name and numbers", async () => {
  await evaluate(() => {
    expect(() => rfft2(tensor([1, 2, 1, 1], [1, 2, 3, 4], "c64"))).toThrow("rfft2: expected f32, got c64; cast f16");
    expect(() => irfft2(tensor([1, 2, 1, 1], [1, 2, 3, 4], "c64"), { height: 4 })).toThrow(
      "irfft2: expected c64 [N, 3, W, C] for pictures 4 high",
    );
    return [];
  });
});
