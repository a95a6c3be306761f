import { expect, test } from "vitest";
import { mul } from "../../kernels/broadcast.ts";
import { elementwise as reference } from "../../kernels/elementwise.reference.ts";
import * as ops from "../../kernels/elementwise.ts";
import { sum } from "../../kernels/reduce.ts";
import { valueAndGrad, vjp } from "../../src/autograd/vjp.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals } from "../lib/random.ts";

withGpu();

const constants: Record<string, [number, number]> = { leakyRelu: [0.2, 0], clamp: [-0.5, 0.75], affine: [1.5, -0.25] };
const names = Object.keys(reference);
const call = (name: string, x: Tensor): Tensor => {
  const [a, b] = constants[name] ?? [0, 0];
  return (ops as unknown as Record<string, (x: Tensor, a?: number, b?: number) => Tensor>)[name]!(x, a, b);
};
const positive = (name: string) => ["log", "sqrt", "reciprocal"].includes(name);
const inputs = (name: string, n: number, spread = 3) =>
  asF32(normals(n, 5).map((v) => (positive(name) ? Math.abs(spread * v) + 0.05 : spread * v)));
const TRANSCENDENTAL = /silu|tanh|sigmoid|softplus|exp|log/;

test.each(names)("%s: value and gradient, any size", async (name) => {
  const { f, d } = reference[name]!;
  const [a, b] = constants[name] ?? [0, 0];
  for (const shape of [[1], [3, 5, 7], [2, 8, 8, 4]]) {
    const n = shape.reduce((p, q) => p * q, 1);
    const [x, r] = [inputs(name, n), asF32(normals(n, 9))];
    const { y, dx } = await evaluate(() => {
      const { value, pullback } = vjp((t) => call(name, t), tensor(shape, x));
      return { y: value, dx: pullback(tensor(shape, r))[0] };
    });
    const l2 = TRANSCENDENTAL.test(name) ? 1e-5 : 2e-6;
    expectClose(
      y,
      x.map((v) => f(v, a, b)),
      { l2: Math.min(l2, 2e-6) },
    );
    expectClose(
      dx,
      x.map((v, i) => d(v, a, b) * r[i]!),
      { l2 },
    );
  }
});

test.each(names)("%s: halves", async (name) => {
  const { f } = reference[name]!;
  const [a, b] = constants[name] ?? [0, 0];
  const x = inputs(name, 105, 1);
  const out = await evaluate(() => {
    const h = tensor([105], x, "f16");
    return { h: h, y: call(name, h) };
  });
  expectClose(
    out.y,
    out.h.map((v) => f(v, a, b)),
    { l2: 1e-3 },
  );
});

test("more elements than 65,535 workgroups hold", async () => {
  const n = 65_536 * 64 + 3;
  const x = asF32(normals(4099, 2));
  const full = Float32Array.from({ length: n }, (_, i) => x[i % 4099]!);
  const { y } = await evaluate(() => ({ y: ops.silu(tensor([n], full)) }));
  expectClose(
    y,
    full.map((v) => reference.silu!.f(v, 0, 0)),
    { l2: 2e-6 },
  );
});

test("nothing overflows into NaN, and small arguments keep their digits", async () => {
  const x = Float32Array.from([-1e30, -1e4, -104, -89, -20, -1e-6, 0, 1e-6, 20, 89, 1e4, 1e30]);
  for (const name of ["silu", "tanh", "sigmoid", "softplus"]) {
    const { f, d } = reference[name]!;
    const out = await evaluate(() => {
      const { value, pullback } = vjp((t) => call(name, t), tensor([12], x));
      return { y: value, dx: pullback(tensor([12], new Float32Array(12).fill(1)))[0] };
    });
    out.y.forEach((v: number, i: number) => {
      const want = f(x[i]!, 0, 0);
      // e^-89 is subnormal, and may be flushed
      expect(Math.abs(v - want), `${name}(${x[i]}) = ${v}`).toBeLessThanOrEqual(3e-6 * Math.abs(want) + 1e-36);
    });
    out.dx.forEach((v: number, i: number) => {
      const want =
        name === "tanh" || name === "sigmoid" || name === "softplus" || Math.abs(x[i]!) < 1e4
          ? d(x[i]!, 0, 0)
          : +(x[i]! > 0);
      expect(Math.abs(v - want), `${name}'(${x[i]}) = ${v}`).toBeLessThanOrEqual(1e-5 * Math.abs(want) + 1e-36);
    });
  }
});

test.each(names)("%s: the gradient of a gradient", async (name) => {
  const { d } = reference[name]!;
  const [a, b] = constants[name] ?? [0, 0];
  const n = 12;
  const [x, r, s] = [
    inputs(name, n, 1).map((v) => (positive(name) ? v + 0.3 : v)),
    asF32(normals(n, 3)),
    asF32(normals(n, 4)),
  ];
  const x32 = asF32(x);
  // g(x) = sum s f'(x) r, whose gradient is s f''(x) r
  const { value, grad } = await evaluate(() =>
    valueAndGrad((t: Tensor) => sum(mul(tensor([n], s), vjp((u) => call(name, u), t).pullback(tensor([n], r))[0])))(
      tensor([n], x32),
    ),
  );
  const g = (v: Float64Array) => v.reduce((acc, u, i) => acc + s[i]! * d(u, a, b) * r[i]!, 0);
  const want = x32.map((u, i) => {
    const h = 1e-5;
    return (s[i]! * r[i]! * (d(u + h, a, b) - d(u - h, a, b))) / (2 * h);
  });
  expectClose(value, [g(x32)], { l2: 1e-5 });
  expectClose(grad, want, { l2: 1e-5 });
});
