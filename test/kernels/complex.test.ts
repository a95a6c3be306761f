import { expect, test } from "vitest";
import { add, complexAbs, conj, div, mul, sub } from "../../kernels/broadcast.ts";
import { cconj, cdiv, cmul, complex as reference } from "../../kernels/complex.reference.ts";
import { conjMul } from "../../kernels/complex.ts";
import { sumSquares } from "../../kernels/reduce.ts";
import { asReal } from "../../kernels/reshape.ts";
import { valueAndGrad, vjp } from "../../src/autograd/vjp.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { expectClose, relativeL2 } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals } from "../lib/random.ts";

withGpu();

const F = {
  mul: { f: mul, r: cmul },
  conjMul: { f: conjMul, r: (a: readonly [number, number], b: readonly [number, number]) => cmul(cconj(a), b) },
  div: { f: div, r: cdiv },
};

/** The gradient of Re <r, f(x)> by central differences, re and im apart. */
function numeric(f: (x: Float64Array) => Float64Array, x: Float64Array, r: Float64Array): Float64Array {
  const value = (v: Float64Array) => f(v).reduce((s, u, i) => s + u * r[i]!, 0);
  return x.map((v, i) => {
    const h = 1e-6;
    const [up, down] = [x.slice(), x.slice()];
    up[i] = v + h;
    down[i] = v - h;
    return (value(up) - value(down)) / (2 * h);
  });
}

test.each(Object.keys(F) as (keyof typeof F)[])(
  "%s: same shapes and a factor per channel, with gradients",
  async (name) => {
    const { f, r } = F[name];
    for (const [shape, other] of [
      [[1], [1]],
      [
        [3, 5],
        [3, 5],
      ],
      [[2, 3, 5], [5]],
    ] as const) {
      const count = (s: readonly number[]) => 2 * s.reduce((p, q) => p * q, 1);
      const a = asF32(normals(count(shape), 1));
      const b = asF32(normals(count(other), 2));
      const dy = asF32(normals(count(shape), 3));
      const out = await evaluate(() => {
        const { value, pullback } = vjp((u, v) => f(u, v), tensor(shape, a, "c64"), tensor(other, b, "c64"));
        return { y: value, g: pullback(tensor(shape, dy, "c64")) };
      });
      expectClose(out.y, reference(r, a, b), { l2: 2e-6 });
      expectClose(
        out.g[0],
        numeric((v) => reference(r, v, b), a, dy),
        { l2: 1e-5 },
      );
      expectClose(
        out.g[1],
        numeric((v) => reference(r, a, v), b, dy),
        { l2: 1e-5 },
      );
    }
  },
);

test("a complex tensor times a real one, from either side, with gradients", async () => {
  const [a, m, dy] = [asF32(normals(24, 1)), asF32(normals(6, 2)), asF32(normals(24, 3))];
  const wide = (t: ArrayLike<number>) => Float64Array.from({ length: 24 }, (_, i) => t[(i >> 1) % 6]!);
  const out = await evaluate(() => {
    const { value, pullback } = vjp((u, v) => mul(v, u), tensor([2, 2, 3], a, "c64"), tensor([2, 3], m));
    return { y: value, g: pullback(tensor([2, 2, 3], dy, "c64")), d: div(value, tensor([2, 3], m)) };
  });
  expectClose(
    out.y,
    wide(m).map((v, i) => v * a[i]!),
    { l2: 1e-6 },
  );
  expectClose(out.d, a, { l2: 1e-6 });
  expectClose(
    out.g[0],
    wide(m).map((v, i) => v * dy[i]!),
    { l2: 1e-6 },
  );
  const dm = new Float64Array(6);
  a.forEach((v, i) => {
    dm[(i >> 1) % 6]! += v * dy[i]!;
  });
  expectClose(out.g[1], dm, { l2: 1e-6 });
});

test("sums, conjugate and modulus", async () => {
  const [a, b] = [asF32(normals(20, 1)), asF32(normals(10, 2))];
  a[0] = a[1] = 0;
  const out = await evaluate(() => {
    const [p, q] = [tensor([2, 5], a, "c64"), tensor([5], b, "c64")];
    const { value, pullback } = vjp((u) => complexAbs(u), p);
    return {
      s: add(p, q),
      d: sub(q, p),
      c: conj(p),
      m: value,
      g: pullback(tensor([2, 5], new Float32Array(10).fill(2)))[0],
    };
  });
  expectClose(
    out.s,
    reference(([u, v], [s, t]) => [u + s, v + t], a, b),
    { l2: 1e-6 },
  );
  expectClose(
    out.d,
    reference(([u, v], [s, t]) => [s - u, t - v], a, b),
    { l2: 1e-6 },
  );
  expectClose(out.c, reference(cconj, a, a), { l2: 1e-7 });
  const m = Float64Array.from({ length: 10 }, (_, i) => Math.hypot(a[2 * i]!, a[2 * i + 1]!));
  expectClose(out.m, m, { l2: 1e-6 });
  expectClose(
    out.g,
    a.map((v, i) => (m[i >> 1] ? (2 * v) / m[i >> 1]! : 0)),
    { l2: 1e-5 },
  );
});

test("the gradient of a gradient", async () => {
  // f(a) = |a^2|^2 summed has gradient 4 |a|^2 a, whose squared norm 16 |a|^6 has the gradient 96 |a|^4 a
  const a = asF32(normals(6, 4));
  const out = await evaluate(() =>
    valueAndGrad((t: Tensor) => sumSquares(valueAndGrad((u: Tensor) => sumSquares(mul(u, u)))(t).grad))(
      tensor([3], a, "c64"),
    ),
  );
  const m = (i: number) => a[2 * (i >> 1)]! ** 2 + a[2 * (i >> 1) + 1]! ** 2;
  expect(relativeL2(out.value, [[0, 2, 4].reduce((s, i) => s + 16 * m(i) ** 3, 0)])).toBeLessThan(1e-5);
  expectClose(
    out.grad,
    a.map((v, i) => 96 * m(i) ** 2 * v),
    { l2: 1e-5 },
  );
});

test("refuses to add a real tensor to a complex one", async () => {
  await evaluate(() => {
    const [p, q] = [tensor([1], [1, 2], "c64"), tensor([1], [1])];
    expect(() => add(p, q)).toThrow("add: one operand is c64, the other f32; make both complex");
    expect(asReal(p).shape).toEqual([1, 2]);
    return [];
  });
});
