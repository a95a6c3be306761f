import { expect, test } from "vitest";
import { batchNorm as reference } from "../../kernels/batch_norm.reference.ts";
import { batchNorm } from "../../kernels/batch_norm.ts";
import { mul } from "../../kernels/broadcast.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { sum, sumSquares } from "../../kernels/reduce.ts";
import { valueAndGrad, vjp } from "../../src/autograd/vjp.ts";
import { fromHalf, toHalf } from "../../src/tensor/half.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals, uniforms } from "../lib/random.ts";

withGpu();

const given = (C: number) => ({
  mean: asF32(normals(C, 1)),
  variance: asF32(uniforms(C, 2, 0.01, 4)),
  gamma: asF32(normals(C, 3)),
  beta: asF32(normals(C, 4)),
});
const upload = <K extends string>(of: Record<K, Float64Array>) =>
  Object.fromEntries(Object.entries<Float64Array>(of).map(([k, v]) => [k, tensor([v.length], v)])) as Record<K, Tensor>;

test.each([
  [[2, 5, 3, 8], false, "f32"],
  [[2, 5, 3, 8], true, "f32"],
  [[3, 7, 1, 5], true, "f32"],
  [[2, 5, 3, 8], true, "f16"],
  [[9, 3], false, "f16"],
] as [number[], boolean, "f32" | "f16"][])("%j, ReLU %j, in %s, and its gradients", async (shape, relu, dtype) => {
  const C = shape.at(-1) as number;
  const n = shape.reduce((a, b) => a * b, 1);
  const half = (v: Float64Array) => (dtype === "f16" ? v.map((a) => fromHalf(toHalf(a))) : asF32(v));
  const [x, dy, all] = [half(normals(n, 5)), half(normals(n, 6)), given(C)];
  const got = await evaluate(() => {
    const { mean, variance, gamma, beta } = upload(all);
    const f = (t: Tensor, g: Tensor, b: Tensor) => batchNorm(t, { mean, variance, gamma: g, beta: b, eps: 1e-3, relu });
    const { value, pullback } = vjp(f, tensor(shape, x, dtype), gamma, beta);
    return { value, grads: pullback(tensor(shape, dy, dtype)) };
  });
  const l2 = dtype === "f16" ? 2e-3 : 2e-6;
  const y = reference(x, all, 1e-3, relu);
  expectClose(got.value, y, { l2 });
  const dz = dy.map((v, i) => (relu && !((y[i] as number) > 0) ? 0 : v));
  const zero = new Float64Array(C);
  const one = new Float64Array(C).fill(1);
  expectClose(got.grads[0], reference(dz, { ...all, mean: zero, beta: zero }, 1e-3), { l2 });
  const normal = reference(x, { ...all, gamma: one, beta: zero }, 1e-3);
  const perChannel = (v: Float64Array) => zero.map((_, c) => v.reduce((s, a, i) => s + (i % C === c ? a : 0), 0));
  expectClose(got.grads[1], perChannel(dz.map((v, i) => v * (normal[i] as number))), { l2 });
  expectClose(got.grads[2], perChannel(dz), { l2 });
});

test("the gradient of a function of the gradient", async () => {
  const [x, all] = [asF32(normals(24, 5)), given(4)];
  // h = |dE/dx|^2 + E with E = <x, norm(x)>, against differences in doubles
  const got = await evaluate(() => {
    const { mean, variance, gamma, beta } = upload(all);
    return valueAndGrad((g: Tensor) => {
      const energy = (t: Tensor) =>
        sum(mul(t, batchNorm(t, { mean, variance, gamma: g, beta, eps: 1e-3, relu: true })));
      const { value, pullback } = vjp(energy, tensor([6, 4], x));
      return lincomb(1, sumSquares(pullback(tensor(value.shape, [1]))[0] as Tensor), 1, value);
    })(gamma);
  });
  const h = (gamma: Float64Array) => {
    const s = all.variance.map((v) => Math.sqrt(v + 1e-3));
    const y = reference(x, { ...all, gamma }, 1e-3, true);
    return y.reduce((sum, v, i) => {
      const c = i % 4;
      const dx = v + (v > 0 ? ((x[i] as number) * (gamma[c] as number)) / (s[c] as number) : 0);
      return sum + dx * dx + v * (x[i] as number);
    }, 0);
  };
  const step = 1e-5;
  const want = all.gamma.map((_, c) => {
    const moved = (d: number) => all.gamma.map((v, i) => (i === c ? v + d : v));
    return (h(moved(step)) - h(moved(-step))) / (2 * step);
  });
  expectClose(got.grad, want, { l2: 1e-5 });
});

test("refuses statistics of another size, and to differentiate them", async () => {
  await evaluate(() => {
    const [x, all] = [tensor([2, 4], normals(8, 1)), upload(given(4))];
    expect(() => batchNorm(tensor([4, 2], normals(8, 1)), all)).toThrow("batchNorm: mean expects [2], got [4]");
    const { value, pullback } = vjp((mean: Tensor) => batchNorm(x, { ...all, mean }), all.mean);
    expect(() => pullback(value)).toThrow("no gradient for the statistics");
    return [];
  });
});
