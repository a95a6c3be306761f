import { expect, test } from "vitest";
import { add, mul } from "../../kernels/broadcast.ts";
import { silu, square, tanh } from "../../kernels/elementwise.ts";
import { groupNorm } from "../../kernels/group_norm.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { mean, sum } from "../../kernels/reduce.ts";
import { reshape } from "../../kernels/reshape.ts";
import { checkpoint, constant, valueAndGrad, vjp } from "../../src/autograd/vjp.ts";
import { op } from "../../src/tensor/op.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals } from "../lib/random.ts";

const fixture = withGpu();
const x0 = asF32(normals(24, 5));
const input = () => tensor([2, 3, 4], x0);

test("a value used twice gets both gradients, trees keep their shape", async () => {
  const { out } = await evaluate(() => {
    const f = ({ a, b }: { a: Tensor; b: readonly [Tensor] }) => sum(add(mul(a, a), mul(a, b[0])));
    return { out: valueAndGrad(f)({ a: tensor([2], [3, 4]), b: [tensor([2], [5, 6])] }) };
  });
  expect(out.value[0]).toBe(9 + 16 + 15 + 24);
  expect([...out.grad.a]).toEqual([11, 14]);
  expect([...(out.grad.b[0] as Float32Array)]).toEqual([3, 4]);
});

test("an input that nothing depends on gets zeros", async () => {
  const { grads } = await evaluate(() => ({
    grads: vjp((a: Tensor, _b: Tensor) => square(a), tensor([2], [1, 2]), tensor([1], [9])).pullback(
      tensor([2], [1, 1]),
    ),
  }));
  expect(grads.map((g) => [...g])).toEqual([[2, 4], [0]]);
});

test("constant cuts: one step at a fixed point is differentiated, the way there is not", async () => {
  // z = cos-like contraction f(z) = a z + x; JFB differentiates one application: dz/dx = 1, not 1/(1-a)
  const { out } = await evaluate(() => {
    const f = (z: Tensor, x: Tensor) => lincomb(0.5, z, 1, x);
    const jfb = (x: Tensor) => {
      const z = constant(() => {
        let at = lincomb(0, x);
        for (let k = 0; k < 40; k++) at = f(at, x);
        return at;
      });
      return sum(f(z, x));
    };
    return { out: valueAndGrad(jfb)(tensor([1], [3])) };
  });
  expect(out.value[0]).toBeCloseTo(6, 5);
  expect(out.grad[0]).toBe(1);
});

test("checkpoint gives the same gradient and holds less", async () => {
  const body = (x: Tensor, w: Tensor) => {
    let h = x;
    for (let k = 0; k < 6; k++) h = silu(mul(h, w));
    return h;
  };
  const peak = async (f: typeof body) => {
    const { pool } = fixture.gpu;
    const big = () => tensor([64, 64, 64], asF32(normals(64 ** 3, 1)));
    const w = () => tensor([64], asF32(normals(64, 2)));
    pool.peakBytes = 0;
    const { out } = await evaluate(() => ({
      out: valueAndGrad((p: { x: Tensor; w: Tensor }) => sum(square(f(p.x, p.w))))({ x: big(), w: w() }),
    }));
    return { out, bytes: pool.peakBytes };
  };
  const light = checkpoint(body);
  const plain = await peak((x, w) => body(body(x, w), w));
  const saving = await peak((x, w) => light(light(x, w), w));
  expectClose(saving.out.grad.w, plain.out.grad.w, { l2: 1e-6 });
  expectClose(saving.out.grad.x, plain.out.grad.x, { l2: 1e-6 });
  expect(saving.bytes).toBeLessThan(0.7 * plain.bytes);
});

test("the gradient of a gradient, against the analytic one", async () => {
  // f = sum tanh(x)^2 ; g = f' = 2 t (1 - t^2) ; d/dx sum g^2 = 2 g g', g' = 2 (1 - t^2)(1 - 3 t^2)
  const { out } = await evaluate(() => ({
    out: valueAndGrad((x: Tensor) => {
      const { pullback } = vjp((z: Tensor) => sum(square(tanh(z))), x);
      return sum(square(pullback(tensor([], [1]))[0]));
    })(input()),
  }));
  const want = x0.map((v) => {
    const t = Math.tanh(v);
    return 8 * t * (1 - t * t) ** 2 * (1 - 3 * t * t);
  });
  expectClose(out.grad, want, { l2: 1e-5 });
});

test("says which op and which input has no rule, and which cannot be differentiated twice", async () => {
  await evaluate(() => {
    const bare = op({ name: "bare", forward: ([x]) => ({ out: lincomb(2, x as Tensor) }) });
    expect(() => valueAndGrad((x: Tensor) => sum(bare([x], {})))(input())).toThrow(/^bare: .*no gradient rule/);
    const twice = (x: Tensor) => {
      const norm = (z: Tensor) =>
        mean(square(groupNorm(reshape(z, [2, 1, 3, 4]), undefined, undefined, { groups: 2 })));
      return sum(square(vjp(norm, x).pullback(tensor([], [1]))[0]));
    };
    expect(() => valueAndGrad(twice)(input())).toThrow(/cannot be differentiated again/);
    return [];
  });
});
