import { expect, test } from "vitest";
import { type Case, maxPoolVjp, pooledShape, maxPool as reference } from "../../kernels/max_pool.reference.ts";
import { maxPool } from "../../kernels/max_pool.ts";
import { vjp } from "../../src/autograd/vjp.ts";
import { fromHalf, toHalf } from "../../src/tensor/half.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals, uniforms } from "../lib/random.ts";

withGpu();

const size = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

test.each([
  ["VGG's", [2, 8, 6, 4], { size: 2 }, "f32"],
  ["VGG's, odd", [2, 9, 7, 3], { size: 2 }, "f32"],
  ["AlexNet's", [1, 15, 11, 8], { size: 3, stride: 2 }, "f32"],
  ["SqueezeNet's", [2, 8, 12, 4], { size: 3, stride: 2, ceil: true }, "f32"],
  ["SqueezeNet's, odd", [1, 7, 10, 5], { size: 3, stride: 2, ceil: true }, "f32"],
  ["Inception's", [2, 5, 6, 4], { size: 3, stride: 1, padding: 1 }, "f32"],
  ["a window that would begin in the padding", [1, 5, 6, 2], { size: 2, stride: 3, padding: 1, ceil: true }, "f32"],
  ["gaps between windows", [1, 10, 11, 1], { size: 2, stride: 4 }, "f32"],
  ["one pixel", [1, 1, 1, 3], { size: 1 }, "f32"],
  ["AlexNet's", [1, 9, 8, 4], { size: 3, stride: 2 }, "f16"],
  ["Inception's", [1, 4, 5, 3], { size: 3, stride: 1, padding: 1 }, "f16"],
] as [string, number[], Case, "f32" | "f16"][])(
  "%s %j %j in %s, its gradient and that of it",
  async (_, shape, c, dtype) => {
    const round = (v: Float64Array) => (dtype === "f16" ? v.map((a) => fromHalf(toHalf(a))) : asF32(v));
    // few values, so that many are equal: the first of them counts
    const x = normals(size(shape), 1).map((v) => Math.round(2 * v) / 2);
    const to = pooledShape(shape, c);
    const [dy, g] = [round(normals(size(to), 2)), round(normals(size(shape), 3))];
    const got = await evaluate(() => {
      const [t, d] = [tensor(shape, x, dtype), tensor(to, dy, dtype)];
      const { value, pullback } = vjp((a: Tensor) => maxPool(a, c), t);
      expect(value.shape).toEqual(to);
      const again = vjp((e: Tensor) => vjp((a: Tensor) => maxPool(a, c), t).pullback(e)[0], d);
      return { y: value, dx: pullback(d)[0], again: again.pullback(tensor(shape, g, dtype))[0] };
    });
    expectClose(got.y, reference(x, shape, c), { l2: 1e-7 });
    expectClose(got.dx, maxPoolVjp(x, shape, c, dy), { l2: dtype === "f16" ? 1e-3 : 1e-6 });
    expectClose(got.again, reference(x, shape, c, g), { l2: 1e-7 });
  },
);

test("below zero the padding does not win", async () => {
  const x = uniforms(48, 5, -2, -1);
  const { y } = await evaluate(() => ({ y: maxPool(tensor([1, 4, 3, 4], x), { size: 3, stride: 1, padding: 1 }) }));
  expect(Math.max(...y)).toBeLessThan(-1);
});

test("refuses windows that do not fit", async () => {
  await evaluate(() => {
    const x = tensor([1, 2, 4, 1], new Float32Array(8));
    expect(() => maxPool(x, { size: 3 })).toThrow("maxPool: a 3 x 3 window does not fit [1,2,4,1] padded by 0");
    expect(() => maxPool(x, { size: 2, padding: 2 })).toThrow("padding must be from 0 to half of the size 2, got 2");
    expect(() => maxPool(x, { size: 2, stride: 0 })).toThrow("size and stride must be a positive integer, got 2,0");
    return [];
  });
});
