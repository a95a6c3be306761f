import { expect, test } from "vitest";
import { reduce as reference } from "../../kernels/reduce.reference.ts";
import * as ops from "../../kernels/reduce.ts";
import { valueAndGrad, vjp } from "../../src/autograd/vjp.ts";
import { sizeOf } from "../../src/tensor/shape.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals, uniforms } from "../lib/random.ts";

withGpu();

const CASES: [number[], number[]][] = [
  [[1], [0]],
  [[7], []],
  [[5, 3], [0]],
  [[5, 3], [1]],
  [[300, 67], [0]],
  [[3, 1000], [1]],
  [
    [2, 33, 17, 8],
    [0, 1, 2],
  ],
  [
    [2, 33, 17, 3],
    [0, 1, 2],
  ],
  [
    [2, 33, 17, 3],
    [1, 2],
  ],
  [
    [3, 16, 16, 4],
    [1, 2, 3],
  ],
  [
    [3, 9, 5, 4],
    [0, 3],
  ],
  [
    [3, 9, 5, 4],
    [0, 2],
  ],
  [[4, 300, 6], [1]],
  [
    [2, 3, 4, 5],
    [0, 1, 2, 3],
  ],
  [[70_000, 3], [1]],
];

test.each(CASES)("shape %j over axes %j: sum, mean, squares, dot, with gradients", async (shape, axes) => {
  const n = sizeOf(shape);
  const [x, z] = [asF32(normals(n, 1)), asF32(normals(n, 2))];
  const kept = reference(shape, axes, (i) => x[i]!);
  const r = asF32(normals(kept.length, 3));
  const count = n / kept.length;
  const out = await evaluate(() => {
    const [tx, tz] = [tensor(shape, x), tensor(shape, z)];
    const run = (f: (a: Tensor, b: Tensor) => Tensor) => {
      const { value, pullback } = vjp(f, tx, tz);
      return { y: value, g: pullback(tensor(value.shape, r)) };
    };
    return {
      sum: run((a) => ops.sum(a, { axes })),
      mean: run((a) => ops.mean(a, { axes, keep: true })),
      squares: run((a) => ops.sumSquares(a, { axes })),
      dot: run((a, b) => ops.dot(a, b, { axes })),
    };
  });
  const back = new Float64Array(n);
  // the index of the sum to which element i went: scatter by summing indices over the other axes
  const to = new Map<number, number>();
  const position = shape.map((_, k) => shape.slice(k + 1).reduce((p, q) => p * q, 1));
  for (let i = 0; i < n; i++) {
    const key = shape.reduce((s, m, k) => (axes.includes(k) ? s : s * m + (Math.floor(i / position[k]!) % m)), 0);
    to.set(i, key);
    back[i] = r[key]!;
  }
  // sums may cancel, so errors are held against the sum of magnitudes
  const scale = Math.sqrt(count);
  const near = (got: ArrayLike<number>, want: Float64Array, s = scale) =>
    got.length && Math.max(...want.map((w, i) => Math.abs(w - got[i]!))) / s;
  expect(near(out.sum.y, kept)).toBeLessThan(1e-5);
  expect(
    near(
      out.mean.y,
      kept.map((v) => v / count),
      1 / scale,
    ),
  ).toBeLessThan(1e-5);
  expectClose(
    out.squares.y,
    reference(shape, axes, (i) => x[i]! ** 2),
    { l2: 1e-6 },
  );
  expect(
    near(
      out.dot.y,
      reference(shape, axes, (i) => x[i]! * z[i]!),
    ),
  ).toBeLessThan(1e-5);
  expectClose(out.sum.g[0], back, { l2: 1e-6 });
  expectClose(
    out.mean.g[0],
    back.map((v) => v / count),
    { l2: 1e-6 },
  );
  expectClose(
    out.squares.g[0],
    back.map((v, i) => 2 * v * x[i]!),
    { l2: 1e-6 },
  );
  expectClose(
    out.dot.g[0],
    back.map((v, i) => v * z[i]!),
    { l2: 1e-6 },
  );
  expectClose(
    out.dot.g[1],
    back.map((v, i) => v * x[i]!),
    { l2: 1e-6 },
  );
});

test("ten million numbers, alike and not, to 1e-6", async () => {
  const n = 10_000_019;
  const same = new Float32Array(n).fill(0.1);
  const small = asF32(uniforms(10_007, 4, 0, 1));
  const varied = Float32Array.from({ length: n }, (_, i) => small[i % 10_007]!);
  const out = await evaluate(() => ({
    a: ops.sum(tensor([n], same)),
    b: ops.mean(tensor([n], varied)),
    c: ops.sumSquares(tensor([n], same)),
  }));
  expectClose(out.a, [n * same[0]!], { l2: 1e-6 });
  expectClose(out.b, [varied.reduce((s, v) => s + v, 0) / n], { l2: 1e-6 });
  expectClose(out.c, [n * same[0]! ** 2], { l2: 1e-6 });
});

test("more columns than 65,535 workgroups hold", async () => {
  const n = 65_537 * 64;
  const x = Float32Array.from({ length: 2 * n }, (_, i) => i % 1013);
  const { y } = await evaluate(() => ({ y: ops.sum(tensor([2, n], x), { axes: [0] }) }));
  expectClose(
    y,
    x.subarray(0, n).map((v, i) => v + x[n + i]!),
    { l2: 1e-7 },
  );
});

test("halves are added up in f32", async () => {
  const out = await evaluate(() => {
    const h = tensor([4096, 3], new Float32Array(3 * 4096).fill(0.1), "f16");
    const { value, pullback } = vjp((x) => ops.sum(x, { axes: [0] }), h);
    return { h, y: value, g: pullback(tensor([3], [1, 2, 3]))[0], to: ops.sumTo(h, [1, 3]) };
  });
  expectClose(
    out.y,
    [0, 1, 2].map(() => 4096 * out.h[0]!),
    { l2: 1e-6 },
  );
  expect([...out.g.slice(0, 4)]).toEqual([1, 2, 3, 1]);
  expectClose(out.to, out.y, { l2: 1e-3 });
});

test("complex sums and inner products, and the same result twice", async () => {
  const n = 70;
  const [a, b] = [asF32(normals(2 * n, 1)), asF32(normals(2 * n, 2))];
  const run = () =>
    evaluate(() => {
      const [p, q] = [tensor([n], a, "c64"), tensor([n], b, "c64")];
      const { value, pullback } = vjp((u, v) => ops.dot(u, v), p, q);
      return {
        dot: value,
        g: pullback(tensor([], [0.5, -2], "c64")),
        sum: ops.sum(p),
        norm: ops.sumSquares(p),
        rows: ops.sum(tensor([2, 35], a, "c64"), { axes: [0] }),
      };
    });
  const out = await run();
  const pair = (f: (i: number) => [number, number]) => {
    const s = [0, 0];
    for (let i = 0; i < n; i++) for (const [k, v] of f(2 * i).entries()) s[k]! += v;
    return s;
  };
  expectClose(
    out.dot,
    pair((i) => [a[i]! * b[i]! + a[i + 1]! * b[i + 1]!, a[i]! * b[i + 1]! - a[i + 1]! * b[i]!]),
    { l2: 1e-6 },
  );
  expectClose(
    out.sum,
    pair((i) => [a[i]!, a[i + 1]!]),
    { l2: 1e-5 },
  );
  expectClose(out.norm, [a.reduce((s, v) => s + v * v, 0)], { l2: 1e-6 });
  expectClose(
    out.rows,
    Array.from({ length: 70 }, (_, i) => a[i]! + a[i + 70]!),
    { l2: 1e-6 },
  );
  // dL = Re(conj(dy) d out): for a it is conj(dy) b, for b it is dy a
  expectClose(
    out.g[0],
    b.map((v, i) => (i % 2 ? 0.5 * v + 2 * b[i - 1]! : 0.5 * v - 2 * b[i + 1]!)),
    { l2: 1e-6 },
  );
  expectClose(
    out.g[1],
    a.map((v, i) => (i % 2 ? 0.5 * v - 2 * a[i - 1]! : 0.5 * v + 2 * a[i + 1]!)),
    { l2: 1e-6 },
  );
  expect(await run()).toEqual(out);
});

test("the gradient of a gradient", async () => {
  // f = mean(x)^2; |grad f|^2 = 4 mean^2 / n
  const x = asF32(normals(6, 1));
  const m = x.reduce((s, v) => s + v, 0) / 6;
  const out = await evaluate(() =>
    valueAndGrad((t: Tensor) => ops.sumSquares(valueAndGrad((u: Tensor) => ops.dot(ops.mean(u), ops.mean(u)))(t).grad))(
      tensor([2, 3], x),
    ),
  );
  expectClose(out.value, [(4 * m * m) / 6], { l2: 1e-5 });
  expectClose(
    out.grad,
    x.map(() => (8 * m) / 36),
    { l2: 1e-5 },
  );
});

test("refuses axes that are not there", async () => {
  await evaluate(() => {
    expect(() => ops.sum(tensor([3], [1, 2, 3]), { axes: [1] })).toThrow("sum: axes [1] of [3]");
    expect(() => ops.sumTo(tensor([3], [1, 2, 3]), [2])).toThrow("sumTo: [3] does not sum to [2]");
    return [];
  });
});
