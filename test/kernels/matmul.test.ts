import { expect, test } from "vitest";
import { matmul as reference } from "../../kernels/matmul.reference.ts";
import { linear, type MatmulOptions, matmul, type Schedule } from "../../kernels/matmul.ts";
import { sumSquares } from "../../kernels/reduce.ts";
import { transpose } from "../../kernels/transpose.ts";
import { valueAndGrad, vjp } from "../../src/autograd/vjp.ts";
import { halvesFrom, halvesTo } from "../../src/tensor/half.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals } from "../lib/random.ts";

withGpu();

interface Case {
  M: number;
  N: number;
  K: number;
  transposeA?: boolean;
  transposeB?: boolean;
}
const a = ({ M, K }: Case, seed = 1) => asF32(normals(M * K, seed));
const b = ({ N, K }: Case, seed = 2) => asF32(normals(K * N, seed));
const shapeA = ({ M, K, transposeA }: Case) => (transposeA ? [K, M] : [M, K]);
const shapeB = ({ N, K, transposeB }: Case) => (transposeB ? [N, K] : [K, N]);

const CASES: Case[] = [
  { M: 1, N: 1, K: 1 },
  { M: 1, N: 8, K: 4 },
  { M: 3, N: 12, K: 8, transposeA: true },
  { M: 13, N: 40, K: 20, transposeB: true },
  { M: 65, N: 72, K: 36 },
  { M: 65, N: 67, K: 33, transposeA: true, transposeB: true },
  { M: 17, N: 5, K: 130, transposeB: true },
  { M: 129, N: 64, K: 32, transposeA: true, transposeB: true },
  { M: 4, N: 16, K: 5000 },
  { M: 7, N: 5, K: 4099, transposeA: true },
];

test.each(CASES)("%j, in every schedule that fits", async (c) => {
  const schedules: Schedule[] = c.N % 4 || c.K % 4 ? ["any", "tiled"] : ["direct", "wave", "any", "tiled"];
  const want = reference(c, a(c), b(c));
  for (const schedule of schedules) {
    const { y } = await evaluate(() => ({
      y: matmul(tensor(shapeA(c), a(c)), tensor(shapeB(c), b(c)), { ...c, schedule }),
    }));
    expectClose(y, want, { l2: 1e-5 });
  }
});

test.each(CASES.slice(2, 8))("%j: gradients", async (c) => {
  const r = asF32(normals(c.M * c.N, 3));
  const { g } = await evaluate(() => {
    const { pullback } = vjp((p, q) => matmul(p, q, c), tensor(shapeA(c), a(c)), tensor(shapeB(c), b(c)));
    return { g: pullback(tensor([c.M, c.N], r)) };
  });
  // dL/dop(a) = r op(b)^T, and op(b): op(a)^T r
  const { M, N, K, transposeA, transposeB } = c;
  const da = reference({ M, N: K, K: N, transposeB: !transposeB }, r, b(c));
  const db = reference({ M: K, N, K: M, transposeA: !transposeA }, a(c), r);
  const turn = (t: Float64Array, rows: number) =>
    t.map((_, i) => t[(i % rows) * (t.length / rows) + Math.floor(i / rows)]!);
  expectClose(g[0], transposeA ? turn(da, M) : da, { l2: 1e-5 });
  expectClose(g[1], transposeB ? turn(db, K) : db, { l2: 1e-5 });
});

test("batches: one for one, many times one either way, and broadcast", async () => {
  const c = { M: 5, N: 8, K: 12 };
  const many = (f: typeof a, n: number) => Array.from({ length: n }, (_, i) => f(c, 10 + i));
  const [as, bs] = [many(a, 6), many(b, 6)];
  const flat = (x: Float64Array[]) => Float64Array.from(x.flatMap((v) => [...v]));
  for (const schedule of ["direct", "wave", "tiled", "any"] as const) {
    const options: MatmulOptions = { schedule };
    const out = await evaluate(() => {
      const [p, q] = [tensor([2, 3, 5, 12], flat(as)), tensor([2, 3, 12, 8], flat(bs))];
      const [one, two] = [tensor([5, 12], as[0]!), tensor([12, 8], bs[0]!)];
      return {
        each: matmul(p, q, options),
        left: matmul(one, q, options),
        right: matmul(p, two, options),
        cross: matmul(tensor([2, 1, 5, 12], flat([as[0]!, as[1]!])), tensor([3, 12, 8], flat(bs.slice(0, 3))), options),
      };
    });
    const want = (f: (i: number) => [Float64Array, Float64Array]) => flat(as.map((_, i) => reference(c, ...f(i))));
    expectClose(
      out.each,
      want((i) => [as[i]!, bs[i]!]),
      { l2: 1e-5 },
    );
    expectClose(
      out.left,
      want((i) => [as[0]!, bs[i]!]),
      { l2: 1e-5 },
    );
    expectClose(
      out.right,
      want((i) => [as[i]!, bs[0]!]),
      { l2: 1e-5 },
    );
    expectClose(
      out.cross,
      want((i) => [as[Math.floor(i / 3)]!, bs[i % 3]!]),
      { l2: 1e-5 },
    );
  }
});

test("the gradient of one matrix that served many is their sum", async () => {
  const c = { M: 5, N: 8, K: 12 };
  const [as, q, r] = [asF32(normals(3 * 60, 1)), b(c), asF32(normals(3 * 40, 3))];
  const out = await evaluate(() => ({
    right: vjp((t: Tensor) => matmul(tensor([3, 5, 12], as), t), tensor([12, 8], q)).pullback(tensor([3, 5, 8], r))[0],
    left: vjp((t: Tensor) => matmul(t, tensor([3, 12, 8], asF32(normals(3 * 96, 5)))), tensor([5, 12], a(c))).pullback(
      tensor([3, 5, 8], r),
    )[0],
  }));
  expectClose(out.right, reference({ M: 12, N: 8, K: 15, transposeA: true }, as, r), { l2: 1e-5 });
  const bs = asF32(normals(3 * 96, 5));
  const want = new Float64Array(60);
  for (let z = 0; z < 3; z++)
    reference({ M: 5, N: 12, K: 8, transposeB: true }, r.subarray(40 * z), bs.subarray(96 * z)).forEach((v, i) => {
      want[i]! += v;
    });
  expectClose(out.left, want, { l2: 1e-5 });
});

test.each([
  [[1, 4], 8],
  [[1, 516], 7],
  [[2, 2, 64], 130],
  [[2, 9, 12], 16],
  [[3, 7], 5],
  [[600, 16], 12],
])("linear: x %j to %d columns, with bias and gradients", async (shape, O) => {
  const I = shape.at(-1)!;
  const R = shape.slice(0, -1).reduce((p, q) => p * q, 1);
  const [x, w, bias, r] = [
    asF32(normals(R * I, 1)),
    asF32(normals(O * I, 2)),
    asF32(normals(O, 3)),
    asF32(normals(R * O, 4)),
  ];
  const out = await evaluate(() => {
    const [tx, tw] = [tensor(shape, x), tensor([O, I], w)];
    const { value, pullback } = vjp((p, q, s) => linear(p, q, s), tx, tw, tensor([O], bias));
    return {
      y: value,
      g: pullback(tensor(value.shape, r)),
      plain: linear(tx, tw),
    };
  });
  const plain = reference({ M: R, N: O, K: I, transposeB: true }, x, w);
  const want = plain.map((v, i) => v + bias[i % O]!);
  expectClose(out.y, want, { l2: 1e-5 });
  expectClose(out.plain, plain, { l2: 1e-5 });
  expectClose(out.g[0], reference({ M: R, N: I, K: O }, r, w), { l2: 1e-5 });
  expectClose(out.g[1], reference({ M: O, N: I, K: R, transposeA: true }, r, x), { l2: 1e-5 });
  const db = new Float64Array(O);
  r.forEach((v, i) => {
    db[i % O]! += v;
  });
  expectClose(out.g[2], db, { l2: 1e-5 });
});

test.each([1, 12, 16, 7])("linear: halves of width %i under weights of f32", async (I) => {
  const [x, w, bias] = [asF32(normals(9 * I, 1)), asF32(normals(8 * I, 2)), asF32(normals(8, 3))];
  const { y } = await evaluate(() => ({ y: linear(tensor([9, I], x, "f16"), tensor([8, I], w), tensor([8], bias)) }));
  const want = reference({ M: 9, N: 8, K: I, transposeB: true }, x, w).map((v, i) => v + bias[i % 8]!);
  expectClose(y, want, { l2: 2e-3 });
});

test.each([1, 3, 6])("linear: %i rows of f32 through weights kept as halves, which are not copied", async (M) => {
  const [I, O] = [20, 9];
  const [x, w, bias] = [asF32(normals(M * I, 1)), halvesTo(halvesFrom(normals(O * I, 2))), asF32(normals(O, 3))];
  const { y } = await evaluate(() => {
    const [tx, tw, tb] = [tensor([M, I], x), tensor([O, I], w, "f16"), tensor([O], bias)];
    const out = linear(tx, tw, tb);
    expect(tw.storage.derived?.size ?? 0).toBe(0);
    return { y: out };
  });
  const want = reference({ M, N: O, K: I, transposeB: true }, x, w).map((v, i) => v + bias[i % O]!);
  expectClose(y, want, { l2: 1e-5 });
});

test("halves, and their gradients", async () => {
  const c = { M: 24, N: 16, K: 32 };
  const out = await evaluate(() => {
    const [p, q] = [tensor([24, 32], a(c), "f16"), tensor([32, 16], b(c), "f16")];
    const { value, pullback } = vjp((s, t) => matmul(s, t), p, q);
    return { p, q, y: value, g: pullback(value), wide: matmul(p, q, { dtype: "f32" }), turned: transpose(p) };
  });
  const want = reference(c, out.p, out.q);
  expectClose(out.y, want, { l2: 1e-3 });
  expectClose(out.wide, want, { l2: 1e-6 });
  expectClose(out.g[0], reference({ M: 24, N: 32, K: 16, transposeB: true }, out.y, out.q), { l2: 1e-3 });
  expectClose(
    out.turned,
    out.p.map((_, i) => out.p[(i % 24) * 32 + Math.floor(i / 24)]!),
    { l2: 1e-7 },
  );
});

test("the gradient of a gradient", async () => {
  // f = |x w|^2 / 2: its gradient for x is x w w^T; g = |x w w^T|^2 has the gradient 2 x (w w^T)^2
  const [x, w] = [asF32(normals(8, 1)), asF32(normals(12, 2))];
  const out = await evaluate(() =>
    valueAndGrad((p: Tensor) =>
      sumSquares(valueAndGrad((q: Tensor) => sumSquares(matmul(q, tensor([4, 3], w))))(p).grad),
    )(tensor([2, 4], x)),
  );
  const square = reference({ M: 4, N: 4, K: 3, transposeB: true }, w, w);
  const twice = reference({ M: 4, N: 4, K: 4 }, square, square);
  expectClose(
    out.grad,
    reference({ M: 2, N: 4, K: 4 }, x, twice).map((v) => 8 * v),
    { l2: 1e-5 },
  );
});

test("a product whose outputs need more than 65,535 workgroups", async () => {
  const [M, N] = [70_000, 61];
  const [x, w] = [asF32(normals(M, 1)), asF32(normals(N, 2))];
  const { y } = await evaluate(() => ({ y: matmul(tensor([M, 1], x), tensor([1, N], w), { schedule: "any" }) }));
  expectClose(y, reference({ M, N, K: 1 }, x, w), { l2: 1e-6 });
});

test("refuses sizes that do not fit", async () => {
  await evaluate(() => {
    const [p, q] = [tensor([2, 3], new Float32Array(6)), tensor([2, 3], new Float32Array(6))];
    expect(() => matmul(p, q)).toThrow("matmul: a is f32 [2,3], b is f32 [2,3]");
    expect(() => linear(p, tensor([2, 2], new Float32Array(4)))).toThrow(
      "linear: x is [2,3], weight [2,2]; expected [..., I] and [O, I]",
    );
    return [];
  });
});
