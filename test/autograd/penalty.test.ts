// The gradient penalty of a critic D, (|grad_x D| - 1)^2: a gradient of a gradient through convolutions.
import { expect, test } from "vitest";
import { type Case, conv2dVjpX, conv2d as convReference } from "../../kernels/conv2d.reference.ts";
import { conv2d } from "../../kernels/conv2d.ts";
import { affine, softplus, sqrt, square } from "../../kernels/elementwise.ts";
import { mean, sum, sumSquares } from "../../kernels/reduce.ts";
import { valueAndGrad, vjp } from "../../src/autograd/vjp.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals } from "../lib/random.ts";

withGpu();

const [N, side] = [2, 7];
const first: Case = { x: [N, side, side, 3], w: [8, 3, 3, 3], stride: [2, 2], padding: [1, 1, 1, 1] };
const second: Case = { x: [N, 4, 4, 8], w: [1, 8, 3, 3], padding: [0, 0, 0, 0] };
const data = {
  x: asF32(normals(N * side * side * 3, 1)),
  a: asF32(normals(8 * 27, 2)),
  b: asF32(normals(72, 3).map((v) => 0.4 * v)),
};

/** Float64, with the inner gradient written out by hand. */
function penalty(a: Float64Array, b: Float64Array): number {
  const z = convReference(first, data.x, a);
  const through = conv2dVjpX(second, new Float64Array(N * 4).fill(1), b);
  const g = conv2dVjpX(
    first,
    through.map((v, i) => v / (1 + Math.exp(-(z[i] as number)))),
    a,
  );
  const each = g.length / N;
  let total = 0;
  for (let n = 0; n < N; n++)
    total += (Math.sqrt(g.subarray(n * each, (n + 1) * each).reduce((s, v) => s + v * v, 0)) - 1) ** 2 / N;
  return total;
}

const slope = (da: ArrayLike<number>, db: ArrayLike<number>): number => {
  const length = Math.hypot(...Array.from(da), ...Array.from(db));
  const h = 1e-5 / length;
  const at = (s: number) =>
    penalty(
      data.a.map((v, i) => v + s * h * (da[i] as number)),
      data.b.map((v, i) => v + s * h * (db[i] as number)),
    );
  return (at(1) - at(-1)) / (2 * h);
};

test("its gradient agrees with central differences of float64, along itself and along a random direction", async () => {
  const { out } = await evaluate(() => ({
    out: valueAndGrad(({ a, b }: { a: Tensor; b: Tensor }) => {
      const critic = (x: Tensor) => sum(conv2d(softplus(conv2d(x, a, { stride: 2, padding: 1 })), b));
      const [g] = vjp(critic, tensor([N, side, side, 3], data.x)).pullback(tensor([], [1]));
      return mean(square(affine(sqrt(sumSquares(g, { axes: [1, 2, 3] })), 1, -1)));
    })({ a: tensor([8, 3, 3, 3], data.a), b: tensor([1, 8, 3, 3], data.b) }),
  }));
  const { a, b } = out.grad;
  expect(Math.abs((out.value[0] as number) / penalty(data.a, data.b) - 1)).toBeLessThan(1e-5);
  const along = (da: ArrayLike<number>, db: ArrayLike<number>) =>
    a.reduce((s, v, i) => s + v * (da[i] as number), 0) + b.reduce((s, v, i) => s + v * (db[i] as number), 0);
  expect(Math.abs(along(a, b) / slope(a, b) - 1)).toBeLessThan(1e-4);
  const [ra, rb] = [normals(a.length, 8), normals(b.length, 9)];
  expect(Math.abs(along(ra, rb) - slope(ra, rb)) / Math.sqrt(along(a, b))).toBeLessThan(1e-3);
});
