import { expect, test } from "vitest";
import { mul } from "../../kernels/broadcast.ts";
import { fourier as reference } from "../../kernels/fourier.reference.ts";
import { fourier } from "../../kernels/fourier.ts";
import { sum } from "../../kernels/reduce.ts";
import { valueAndGrad } from "../../src/autograd/vjp.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals } from "../lib/random.ts";

withGpu();

const worst = (got: ArrayLike<number>, want: Float64Array) => {
  expect(got.length).toBe(want.length);
  return Math.max(...want.map((v, i) => Math.abs(v - (got[i] as number))));
};

test("frequencies as score_sde draws them, labels of all its noise levels", async () => {
  const W = asF32(normals(128, 1)).map((v) => 16 * v);
  const u = Array.from({ length: 40 }, (_, i) => Math.log(0.01) + (i / 39) * Math.log(378 / 0.01));
  const { y } = await evaluate(() => ({ y: fourier(u, tensor([128], W)) }));
  const error = worst(y, reference(u, asF32(W)));
  expect(error).toBeLessThan(2e-7);
  console.log(`largest difference ${error.toExponential(1)}`);
});

test("zeros, tiny and huge frequencies, both signs, eighths of a turn, either half first", async () => {
  const W = asF32(
    Float64Array.from([0, -0, 1, -1, 0.125, -0.125, 0.375, 0.5, 1e-30, -1e-30, 1e-8, 12345.678, -98765.43, 16777215]),
  );
  const u = [0, 1, -1, 3, -2.5, 1 / 3, -1e-9, 977.1234567];
  for (const first of ["sin", "cos"] as const) {
    const { y } = await evaluate(() => ({ y: fourier(u, tensor([W.length], W), { first }) }));
    // in doubles 16777215 u is itself only good to 1e-6 of a turn
    expect(worst(y, reference(u, W, first))).toBeLessThan(3e-6);
    expect(worst(y.subarray(0, 28 * 5), reference(u.slice(0, 5), W, first))).toBeLessThan(2e-7);
  }
});

test("frequencies in f16, and a gradient that takes them for constants", async () => {
  const { y, grad } = await evaluate(() => ({
    y: fourier([0.7], tensor([2], [0.5, -3.25], "f16")),
    grad: valueAndGrad((p: { a: ReturnType<typeof tensor>; W: ReturnType<typeof tensor> }) =>
      sum(mul(p.a, fourier([0.7], p.W))),
    )({ a: tensor([1, 4], [1, 1, 1, 1]), W: tensor([2], [0.5, -3.25]) }).grad,
  }));
  const want = reference([0.7], [0.5, -3.25]);
  expect(worst(y, want)).toBeLessThan(2e-7);
  expect(worst(grad.a, want)).toBeLessThan(2e-7);
  expect([...grad.W]).toEqual([0, 0]);
});

test("refuses what is no label and no row of frequencies", async () => {
  await evaluate(() => {
    expect(() => fourier([Number.NEGATIVE_INFINITY], tensor([1], [1]))).toThrow("finite labels expected");
    expect(() => fourier([1], tensor([1, 1], [1]))).toThrow("frequencies [F] expected, got [1,1]");
    return [];
  });
});
