import { expect, test } from "vitest";
import { broadcast as reference } from "../../kernels/broadcast.reference.ts";
import * as ops from "../../kernels/broadcast.ts";
import { dot } from "../../kernels/reduce.ts";
import { valueAndGrad, vjp } from "../../src/autograd/vjp.ts";
import { sizeOf } from "../../src/tensor/shape.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals } from "../lib/random.ts";

withGpu();

const SHAPES: [number[], number[]][] = [
  [[5], [5]],
  [
    [2, 4, 4, 8],
    [2, 4, 4, 8],
  ],
  [[], [3, 2]],
  [[1], [1, 1]],
  [[2, 5, 3, 8], [8]],
  [[2, 5, 3, 3], [3]],
  [
    [3, 5, 3, 4],
    [3, 1, 1, 4],
  ],
  [
    [3, 5, 3, 8],
    [3, 1, 1, 1],
  ],
  [
    [2, 4, 6, 4],
    [1, 4, 6, 1],
  ],
  [
    [2, 4, 6, 3],
    [1, 4, 6, 1],
  ],
  [
    [4, 6, 1],
    [2, 1, 1, 4],
  ],
  [
    [1, 3, 1, 5, 1],
    [2, 1, 4, 1, 8],
  ],
  [
    [2, 3, 1, 5, 4],
    [2, 1, 4, 1, 4],
  ],
];
const F = {
  mul: { f: (a: number, b: number) => a * b, da: (_: number, b: number) => b, db: (a: number) => a },
  add: { f: (a: number, b: number) => a + b, da: () => 1, db: () => 1 },
  sub: { f: (a: number, b: number) => a - b, da: () => 1, db: () => -1 },
  div: {
    f: (a: number, b: number) => a / b,
    da: (_: number, b: number) => 1 / b,
    db: (a: number, b: number) => -a / (b * b),
  },
};
const data = (shape: number[], seed: number) => asF32(normals(sizeOf(shape), seed).map((v) => v + Math.sign(v) * 0.4));

/** Cotangents of a and b: r f'(a, b), added up where the operand was stretched. */
function gradients(name: keyof typeof F, a: { shape: number[]; data: Float64Array }, b: typeof a, r: Float64Array) {
  const sums = [new Float64Array(a.data.length), new Float64Array(b.data.length)] as const;
  const index = (t: typeof a) => ({ shape: t.shape, data: t.data.map((_, i) => i) });
  const [ia, ib] = [reference((i) => i, index(a), b), reference((_, i) => i, a, index(b))];
  r.forEach((g, i) => {
    const [u, v] = [a.data[ia[i]!]!, b.data[ib[i]!]!];
    sums[0][ia[i]!]! += g * F[name].da(u, v);
    sums[1][ib[i]!]! += g * F[name].db(u, v);
  });
  return sums;
}

test.each(Object.keys(F) as (keyof typeof F)[])(
  "%s: every pattern of axes, both ways, with gradients",
  async (name) => {
    // the patterns are the same code for all four, and each is a pipeline to compile
    for (const [s, t] of name === "mul" ? SHAPES : SHAPES.slice(3, 6))
      for (const [p, q] of [
        [s, t],
        [t, s],
      ] as const) {
        const [a, b] = [data(p, 1), data(q, 2)];
        const want = reference(F[name].f, { shape: p, data: a }, { shape: q, data: b });
        const r = asF32(normals(want.length, 3));
        const out = await evaluate(() => {
          const { value, pullback } = vjp((u, v) => ops[name](u, v), tensor(p, a), tensor(q, b));
          return { y: value, g: pullback(tensor(value.shape, r)) };
        });
        expectClose(out.y, want, { l2: 2e-6 });
        const [da, db] = gradients(name, { shape: p, data: a }, { shape: q, data: b }, r);
        expectClose(out.g[0], da, { l2: 1e-5 });
        expectClose(out.g[1], db, { l2: 1e-5 });
      }
  },
);

test("halves, and a long row of a scalar", async () => {
  const a = asF32(normals(60, 1));
  const out = await evaluate(() => {
    const [h, s] = [tensor([3, 4, 5], a, "f16"), tensor([5], [1, 2, 3, 4, 5], "f16")];
    const { value, pullback } = vjp((u, v) => ops.mul(u, v), h, s);
    return { h, y: value, g: pullback(h) };
  });
  expectClose(
    out.y,
    reference((u, v) => u * v, { shape: [12, 5], data: out.h }, { shape: [5], data: [1, 2, 3, 4, 5] }),
    { l2: 1e-3 },
  );
  expectClose(
    out.g[1],
    [0, 1, 2, 3, 4].map((c) => out.h.reduce((s: number, v: number, i: number) => s + (i % 5 === c ? v * v : 0), 0)),
    { l2: 1e-3 },
  );
});

test("more elements than 65,535 workgroups hold", async () => {
  const [rows, n] = [65_537, 67];
  const [a, b] = [asF32(normals(rows, 1)), asF32(normals(n, 2))];
  const { y } = await evaluate(() => ({ y: ops.add(tensor([rows, 1], a), tensor([n], b)) }));
  expectClose(
    y,
    reference((u, v) => u + v, { shape: [rows, 1], data: a }, { shape: [n], data: b }),
    { l2: 2e-6 },
  );
});

test("where, keep and drop pass nothing of what they leave out, also when it is not finite", async () => {
  const [inf, nan] = [Number.POSITIVE_INFINITY, Number.NaN];
  const out = await evaluate(() => {
    const mask = tensor([1, 4, 1], [1, 0, 0, 1]);
    const a = tensor([4, 1], [1, nan, inf, 4]);
    const b = tensor([1], [7]);
    const { value, pullback } = vjp((u, v) => ops.where(mask, u, v), a, b);
    return { y: value, g: pullback(tensor([1, 4, 1], [1, 10, 100, 1000])) };
  });
  expect([...out.y]).toEqual([1, 7, 7, 4]);
  expect(out.g.map((g) => [...g])).toEqual([[1, 0, 0, 1000], [110]]);
});

test("the gradient of a gradient", async () => {
  // f = a / b; grad_a = 1 / b, grad_b = -a / b^2; L = |grad_a|^2 + |grad_b|^2
  const [a, b] = [0.7, 1.3];
  const out = await evaluate(() =>
    valueAndGrad(([u, v]: Tensor[]) => {
      const { pullback } = vjp((p, q) => ops.div(p, q), u!, v!);
      const [da, db] = pullback(tensor([1], [1])) as [Tensor, Tensor];
      return ops.add(dot(da, da), dot(db, db));
    })([tensor([1], [a]), tensor([1], [b])]),
  );
  expectClose(out.value, [1 / b ** 2 + a ** 2 / b ** 4], { l2: 1e-6 });
  expectClose(out.grad[0]!, [(2 * a) / b ** 4], { l2: 1e-6 });
  expectClose(out.grad[1]!, [-2 / b ** 3 - (4 * a * a) / b ** 5], { l2: 1e-6 });
});

test("broadcastTo and its gradient", async () => {
  const out = await evaluate(() => {
    const { value, pullback } = vjp((x) => ops.broadcastTo(x, [2, 3, 4]), tensor([3, 1], [1, 2, 3]));
    const c = ops.broadcastTo(tensor([1], [1, 2], "c64"), [3]);
    return { y: value, g: pullback(value)[0], c };
  });
  expect([...out.y]).toEqual([1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]);
  expect([...out.g]).toEqual([8, 16, 24]);
  expect([...out.c]).toEqual([1, 2, 1, 2, 1, 2]);
});

test("refuses shapes that do not broadcast", async () => {
  await evaluate(() => {
    expect(() => ops.mul(tensor([3], [1, 2, 3]), tensor([2], [1, 2]))).toThrow(
      "mul: [3] and [2] do not broadcast: axis -1 is 3 and 2",
    );
    return [];
  });
});
