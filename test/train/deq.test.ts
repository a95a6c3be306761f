/** Fixed points and the gradients through them, against linear algebra in doubles. */
import { describe, expect, test } from "vitest";
import { add, mul, sub } from "../../kernels/broadcast.ts";
import { conv2d } from "../../kernels/conv2d.ts";
import { square, tanh } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { linear } from "../../kernels/matmul.ts";
import { sum } from "../../kernels/reduce.ts";
import { valueAndGrad } from "../../src/autograd/vjp.ts";
import { dispose, scope } from "../../src/tensor/scope.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { atFixedPoint, type FixedPointOptions, type SettleOptions, settle, told } from "../../src/train/deq.ts";
import { expectClose } from "../lib/close.ts";
import { solve } from "../lib/dense.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals } from "../lib/random.ts";

const { gpu } = { gpu: withGpu() };
const range = (k: number) => Array.from({ length: k }, (_, i) => i);
const inner = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((s, v, i) => s + v * (b[i] as number), 0);

const [N, n] = [3, 6];
/** A matrix of norm at most about .8, symmetric or not. */
function contraction(symmetric: boolean): Float64Array {
  const raw = normals(n * n, 3);
  const both = raw.map((v, i) => (symmetric ? (v + (raw[(i % n) * n + Math.floor(i / n)] as number)) / 2 : v));
  return asF32(both.map((v) => (0.8 * v) / Math.hypot(...both)));
}
const shift = asF32(normals(n, 4));
const target = asF32(normals(N * n, 5));

/** Of x = W x + b and L = |x - t|^2/2 summed over N: the fixed point and the gradients in W and b. */
function exact(W: Float64Array) {
  const IW = range(n).map((i) => range(n).map((j) => (i === j ? 1 : 0) - (W[i * n + j] as number)));
  const x = solve(IW, [...shift]);
  const transposed = range(n).map((i) => range(n).map((j) => IW[j]?.[i] as number));
  const v = range(n).map((i) => range(N).reduce((s, k) => s + (x[i] as number) - (target[k * n + i] as number), 0));
  const w = solve(transposed, v);
  return { x, v, db: w, dW: range(n * n).map((k) => (w[Math.floor(k / n)] as number) * (x[k % n] as number)) };
}

const affineMap =
  ({ W, b }: { W: Tensor; b: Tensor }) =>
  (x: Tensor) =>
    linear(x, W, b);
/** The gradients of L at a settled x. */
async function gradients(W: Float64Array, x: ArrayLike<number>, options: FixedPointOptions) {
  const { grad } = await evaluate(() => {
    const still = tensor(
      [N, n],
      range(N).flatMap(() => Array.from(x)),
    );
    return valueAndGrad((p: { W: Tensor; b: Tensor }) => {
      const e = sub(atFixedPoint(affineMap(p), still, options), tensor([N, n], target));
      return lincomb(0.5, sum(square(e)));
    })({ W: tensor([n, n], W), b: tensor([n], shift) });
  });
  return grad;
}

describe("a linear contraction", () => {
  test.each<[string, SettleOptions]>([
    ["plain", { tol: 1e-14 }],
    ["adam", { accelerate: "adam", lr: 0.02, tol: 1e-13, maxIterations: 3000 }],
    ["anderson", { accelerate: "anderson", tol: 1e-14, every: 2 }],
  ])("%s finds its fixed point", async (name, options) => {
    const W = contraction(false);
    const [p, x0] = scope(() => [
      { W: tensor([n, n], W), b: tensor([n], shift) },
      tensor([N, n], asF32(normals(N * n, 6))),
    ]);
    const got = await settle(affineMap(p), x0, options);
    console.log(`${name}: ${told(got)}`);
    expect(got.end).toBe("settled");
    const { x } = exact(W);
    expectClose(
      await got.x.read(),
      range(N).flatMap(() => x),
      { l2: 1e-5 },
    );
    // to the last bit, and in as many iterations, whoever asks
    const again = await settle(affineMap(p), x0, options);
    expect(again.iterations).toBe(got.iterations);
    expect(await again.x.read()).toEqual(await got.x.read());
    if (name === "anderson") expect(got.iterations).toBeLessThanOrEqual(14);
    dispose([p, x0, got.x, again.x]);
  });

  test.each<[FixedPointOptions["gradient"], boolean, number]>([
    ["gmres", false, 8],
    ["broyden", false, 20],
    ["cg", true, 8],
  ])("the gradient by %s is the analytic one", async (gradient, symmetric, iterations) => {
    const W = contraction(symmetric);
    const want = exact(W);
    const got = await gradients(W, want.x, { gradient: gradient as "gmres", iterations });
    expectClose(got.b, want.db, { l2: 2e-5 });
    expectClose(got.W, want.dW, { l2: 2e-5 });
  });

  test("without the Jacobian it is another, and downhill", async () => {
    const W = contraction(false);
    const want = exact(W);
    const got = await gradients(W, want.x, {});
    expectClose(got.b, want.v, { l2: 1e-5 });
    const cosine = inner(got.b, want.db) / Math.sqrt(inner(got.b, got.b) * inner(want.db, want.db));
    console.log(`jacobian-free against exact: cosine ${cosine.toFixed(3)}`);
    expect(cosine).toBeGreaterThan(0.2);
    expect(cosine).toBeLessThan(0.999);
  });
});

describe("x = tanh(conv(x))/2 + y", () => {
  const [H, Wd, C] = [5, 4, 2];
  const size = H * Wd * C;
  const kernel = asF32(normals(C * C * 9, 7).map((v) => 0.35 * v));
  const y = asF32(normals(size, 8));
  const goal = asF32(normals(size, 9));
  const map = (k: Tensor, y: Tensor) => (x: Tensor) => lincomb(0.5, tanh(conv2d(x, k, { padding: 1 })), 1, y);

  /** du/dx as [out][in], and du/dk as [out][tap], of u = conv(x). */
  function convolution(x: ArrayLike<number>) {
    const J = range(size).map(() => new Float64Array(size));
    const T = range(size).map(() => new Float64Array(kernel.length));
    for (const r of range(H))
      for (const c of range(Wd))
        for (const o of range(C))
          for (const i of range(C))
            for (const dy of [-1, 0, 1])
              for (const dx of [-1, 0, 1]) {
                if (r + dy < 0 || r + dy >= H || c + dx < 0 || c + dx >= Wd) continue;
                const [out, from] = [(r * Wd + c) * C + o, ((r + dy) * Wd + c + dx) * C + i];
                const tap = (o * C + i) * 9 + (dy + 1) * 3 + dx + 1;
                (J[out] as Float64Array)[from] = (kernel[tap] as number) + ((J[out] as Float64Array)[from] as number);
                (T[out] as Float64Array)[tap] = (x[from] as number) + ((T[out] as Float64Array)[tap] as number);
              }
    return { J, T };
  }

  test("settles, and its gradients are those of the implicit function", async () => {
    let x = Array.from(y);
    for (let k = 0; k < 400; k++) {
      const { J } = convolution(x);
      x = x.map((_, i) => 0.5 * Math.tanh(inner(x, J[i] as Float64Array)) + (y[i] as number));
    }
    const { J, T } = convolution(x);
    const slope = x.map((_, i) => 0.5 * (1 - Math.tanh(inner(x, J[i] as Float64Array)) ** 2));
    const v = x.map((value, i) => value - (goal[i] as number));
    const M = range(size).map((j) =>
      range(size).map((i) => (i === j ? 1 : 0) - (slope[i] as number) * (J[i]?.[j] as number)),
    );
    const gradient = (w: readonly number[]) =>
      range(kernel.length).map((t) =>
        range(size).reduce((s, i) => s + (w[i] as number) * (slope[i] as number) * (T[i]?.[t] as number), 0),
      );
    const [whole, free] = [gradient(solve(M, v)), gradient(v)];

    const p = scope(() => ({ k: tensor([C, C, 3, 3], kernel), y: tensor([1, H, Wd, C], y) }));
    const found = await settle(map(p.k, p.y), p.y, { accelerate: "anderson", tol: 1e-14, every: 3 });
    console.log(`conv: ${told(found)}`);
    expect(found.end).toBe("settled");
    expectClose(await found.x.read(), x, { l2: 1e-5 });
    const got = await evaluate(() =>
      (["jacobian-free", "gmres", "broyden"] as const).map((gradient) =>
        valueAndGrad((k: Tensor) => {
          const e = sub(atFixedPoint(map(k, p.y), found.x, { gradient }), tensor([1, H, Wd, C], goal));
          return lincomb(0.5, sum(square(e)));
        })(p.k),
      ),
    );
    expectClose((got[0] as { grad: Float32Array }).grad, free, { l2: 1e-4 });
    expectClose((got[1] as { grad: Float32Array }).grad, whole, { l2: 1e-4 });
    expectClose((got[2] as { grad: Float32Array }).grad, whole, { l2: 1e-4 });
    expect(inner(free, whole)).toBeGreaterThan(0);
    dispose([p, found.x]);
  });
});

test("what diverges, and what does not come to rest, is told with numbers, and leaves nothing", async () => {
  const [x0, two] = scope(() => [tensor([2, 4], [1, 1, 1, 1, 0.001, 0, 0, 0]), tensor([1], [2])]);
  const before = gpu.gpu.live;
  const wild = await settle((x) => mul(x, two), x0, { every: 4, bound: 50 });
  expect(wild).toMatchObject({ end: "diverged", iterations: 12, size: 4096 });
  expect(told(wild)).toBe("diverged after 12 iterations, mean squared step 2.1e+6, largest root mean square 4.10e+3");
  const mad = await settle((x) => mul(x, mul(x, x)), wild.x, { every: 2, maxIterations: 9 });
  expect(mad.end).toBe("diverged");
  const slow = await settle((x) => add(x, two), x0, { every: 4, maxIterations: 7 });
  expect(slow).toMatchObject({ end: "unsettled", iterations: 7, residual: 4 });
  dispose([wild.x, mad.x, slow.x]);
  let calls = 0;
  await expect(
    settle(
      (x) => {
        if (++calls > 5) throw new Error("no more");
        return mul(x, two);
      },
      x0,
      { every: 2 },
    ),
  ).rejects.toThrow("no more");
  await expect(settle((x) => x, x0, { signal: AbortSignal.abort() })).rejects.toThrow();
  expect(gpu.gpu.live).toBe(before);
  dispose([x0, two]);
});
