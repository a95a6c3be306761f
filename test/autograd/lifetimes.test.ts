import { expect, test } from "vitest";
import { attention } from "../../kernels/attention.ts";
import { mul } from "../../kernels/broadcast.ts";
import { conv2d } from "../../kernels/conv2d.ts";
import { silu, square } from "../../kernels/elementwise.ts";
import { groupNorm } from "../../kernels/group_norm.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { sum } from "../../kernels/reduce.ts";
import { valueAndGrad, vjp } from "../../src/autograd/vjp.ts";
import { derived, op } from "../../src/tensor/op.ts";
import { dispose, scope } from "../../src/tensor/scope.ts";
import { type Tensor, tensor, upload } from "../../src/tensor/tensor.ts";
import { withGpu } from "../lib/gpu.ts";
import { asF32, normals } from "../lib/random.ts";

const fixture = withGpu();
const random = (...shape: number[]) =>
  tensor(
    shape,
    asF32(
      normals(
        shape.reduce((a, b) => a * b, 1),
        3,
      ),
    ),
  );

test("what an op saves for its gradient goes with it when nothing is recorded, in a scope and outside", () => {
  const { gpu } = fixture;
  const [x, tokens] = [random(1, 4, 4, 8), random(1, 16, 8)];
  const gamma = random(8);
  const ops = [
    () => groupNorm(x, gamma, gamma, { groups: 2 }),
    () => attention(tokens, tokens, tokens, { heads: 2 }),
    () => silu(x),
  ];
  for (const f of ops) {
    const before = gpu.live;
    const y = f();
    expect(gpu.live).toBe(before + 1);
    y.dispose();
    scope(() => {
      f();
      f();
      expect(gpu.live).toBe(before + 2);
    });
  }
  dispose([x, tokens, gamma]);
});

test("vjp outside a scope leaves its value, the gradients and the tape to its caller, and nothing else", async () => {
  const { gpu } = fixture;
  const x = random(2, 3);
  const before = gpu.live;
  const { value, pullback, dispose: end } = vjp((z: Tensor) => sum(square(mul(silu(z), z))), x);
  const dy = tensor([], [1]);
  const [once] = pullback(dy);
  const [again] = pullback(dy);
  expect(await again.read()).toEqual(await once.read());
  end();
  dispose([value, dy, once, again]);
  expect(gpu.live).toBe(before);
  x.dispose();
});

test("a pullback whose tape is gone says so, and does not answer zeros", () => {
  const x = random(3);
  const dy = random(3);
  const held = vjp((z: Tensor) => square(z), x);
  held.dispose();
  expect(() => held.pullback(dy)).toThrow("vjp: its tape is gone");
  const { pullback, value } = scope(() => vjp((z: Tensor) => square(z), x));
  expect(() => pullback(dy)).toThrow("vjp: its tape is gone");
  dispose([held.value, value, x, dy]);
});

test("a rule that throws leaves nothing behind", () => {
  const { gpu } = fixture;
  const broken = op({
    name: "broken",
    forward: ([x]) => ({ out: lincomb(2, x as Tensor), saved: [lincomb(3, x as Tensor)] }),
    vjp() {
      throw new Error("out");
    },
  });
  const x = random(5);
  const before = gpu.live;
  expect(() => valueAndGrad((z: Tensor) => sum(silu(broken([silu(z)], {}))))(x)).toThrow("out");
  expect(gpu.live).toBe(before);
  x.dispose();
});

test("what is derived frees its temporaries, and outlives a change of its source while a tape holds it", async () => {
  const { gpu } = fixture;
  const w = tensor([2], [1, 2]);
  const twelvefold = () => derived(w, "12", () => lincomb(3, lincomb(4, w)));
  const scaled = op({
    name: "scaled",
    forward: ([x]) => {
      const k = twelvefold();
      return { out: mul(x as Tensor, k), saved: [k] };
    },
    vjp: (dy, [k]: [Tensor]) => [mul(dy, k)],
  });
  const before = gpu.live;
  twelvefold();
  expect(gpu.live).toBe(before + 1);
  const x = tensor([2], [1, 1]);
  const { value, pullback, dispose: end } = vjp((z: Tensor) => scaled([z], {}), x);
  upload(w, [10, 20]);
  const now = twelvefold();
  const [grad] = pullback(x);
  expect([...(await grad.read()), ...(await now.read())]).toEqual([12, 24, 120, 240]);
  end();
  dispose([value, grad, x, w]);
});

test("writing to a freed tensor is refused: its buffer may be another's", () => {
  const a = tensor([2], [1, 2]);
  a.dispose();
  expect(() => upload(a, [3, 4])).toThrow("it was freed");
});

test("a chain of convolutions holds each activation once, and lets it go on the way back", () => {
  const { pool } = fixture.gpu;
  const layers = 20;
  const x = random(1, 64, 64, 8);
  const ws = Array.from({ length: layers }, () => random(8, 8, 3, 3));
  pool.peakBytes = pool.liveBytes;
  const before = pool.liveBytes;
  const out = valueAndGrad((p: readonly Tensor[]) => {
    let h = x;
    for (const w of p) h = silu(conv2d(h, w, { padding: 1 }));
    return sum(square(h));
  })(ws);
  const activations = (pool.peakBytes - before) / x.bytes;
  // silu keeps its input, conv2d its own: two a layer, and a few under way
  expect(activations).toBeLessThan(2 * layers + 5);
  dispose([out.value, out.grad, x, ws]);
});

test("the way back costs no memory on top of what the way there took, where rules save nothing", () => {
  const { pool } = fixture.gpu;
  const x = random(64, 64, 8);
  pool.peakBytes = pool.liveBytes;
  const before = pool.liveBytes;
  const out = valueAndGrad((z: Tensor) => {
    let h = z;
    for (let k = 0; k < 20; k++) h = lincomb(0.9, h, 0.1, z);
    return sum(h);
  })(x);
  expect((pool.peakBytes - before) / x.bytes).toBeLessThan(22);
  dispose([out.value, out.grad, x]);
});
