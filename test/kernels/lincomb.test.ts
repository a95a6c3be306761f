import { expect, test } from "vitest";
import { lincomb as reference } from "../../kernels/lincomb.reference.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { valueAndGrad, vjp } from "../../src/autograd/vjp.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals } from "../lib/random.ts";

withGpu();

test.each([[[1]], [[7, 3]], [[2, 5, 4, 4]], [[65_536, 65]]])("adds up to six tensors of shape %j", async (shape) => {
  const n = shape.reduce((a, b) => a * b, 1);
  const terms = n > 1e6 ? 2 : 6;
  const data = Array.from({ length: terms }, (_, k) => asF32(normals(Math.min(n, 4096), k + 1)));
  const full = data.map((d) => Float32Array.from({ length: n }, (_, i) => d[i % d.length] as number));
  const factors = [1.5, -2, 0, 0.25, 3, 1].slice(0, terms);
  const { y } = await evaluate(() => ({
    y: lincomb(...full.flatMap((d, k) => [factors[k] as number, tensor(shape, d)])),
  }));
  expectClose(y, reference(factors, full), { l2: 1e-6 });
});

test("a factor of zero drops a term that is not finite", async () => {
  const { y } = await evaluate(() => ({
    y: lincomb(2, tensor([2], [1, 2]), 0, tensor([2], [Number.NaN, Number.POSITIVE_INFINITY])),
  }));
  expect([...y]).toEqual([2, 4]);
});

test("f16 and complex tensors", async () => {
  const x = asF32(normals(30, 3));
  const out = await evaluate(() => ({
    h: lincomb(0.5, tensor([5, 6], x, "f16")),
    c: lincomb(3, tensor([15], x, "c64")),
  }));
  expectClose(out.h, reference([0.5], [x]), { l2: 5e-4 });
  expectClose(out.c, reference([3], [x]), { l2: 1e-6 });
});

test("its gradient, and the gradient of that", async () => {
  const out = await evaluate(() => {
    const [a, b] = [tensor([3], [1, 2, 3]), tensor([3], [4, 5, 6])];
    const { pullback } = vjp((p, q) => lincomb(2, p, -3, q, 1, p), a, b);
    const one = valueAndGrad((p: Tensor) => lincomb(5, lincomb(2, p)))(tensor([1], [7]));
    return { grads: pullback(tensor([3], [1, 10, 100])), one };
  });
  expect(out.grads.map((g) => [...g])).toEqual([
    [3, 30, 300],
    [-3, -30, -300],
  ]);
  expect([out.one.value[0], out.one.grad[0]]).toEqual([70, 10]);
});

test("refuses tensors that do not fit, by name and numbers", async () => {
  await evaluate(() => {
    const [a, b] = [tensor([3], [1, 2, 3]), tensor([2], [1, 2])];
    expect(() => lincomb(1, a, 1, b)).toThrow("lincomb: term 1 is f32 [2], the first is f32 [3]");
    return [];
  });
});
