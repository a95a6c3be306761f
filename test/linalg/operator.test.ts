import { expect, test } from "vitest";
import { square } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { roll } from "../../kernels/roll.ts";
import { dotTest } from "../../src/linalg/dot_test.ts";
import { compose, H, isLinear, type LinearOperator, linear, scale, stack } from "../../src/linalg/operator.ts";
import { powerMethod } from "../../src/linalg/power_method.ts";
import { dispose, scope } from "../../src/tensor/scope.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { dense } from "../lib/dense.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals } from "../lib/random.ts";

const held = withGpu();

/** Runs fn with operators made in a scope of their own, and frees them. */
async function using<T>(make: () => LinearOperator, fn: (A: LinearOperator) => Promise<T>): Promise<T> {
  const A = scope(make);
  try {
    return await fn(A);
  } finally {
    dispose(A);
  }
}
const matrix = (m: number, n: number, seed: number, type: "f32" | "c64" = "f32") =>
  dense(m, n, asF32(normals(m * n * (type === "c64" ? 2 : 1), seed)), type);

const cases: [string, () => LinearOperator][] = [
  ["dense", () => matrix(6, 9, 1)],
  ["complex", () => matrix(6, 9, 1, "c64")],
  ["compose", () => compose(matrix(3, 6, 1), matrix(6, 9, 2), matrix(9, 4, 3))],
  ["stack", () => stack(matrix(3, 6, 1), matrix(5, 6, 2), matrix(2, 6, 3))],
  ["scale", () => scale(-3, matrix(3, 6, 1))],
  ["H", () => H(matrix(3, 6, 1, "c64"))],
];
test.each(cases)("%s has its adjoint", (_, make) =>
  using(make, async (A) => expect((await dotTest(A)).relative).toBeLessThan(1e-6)),
);

test("dotTest sees an adjoint that is 1 % off, as 1 %", () =>
  using(
    () => {
      const A = matrix(40, 50, 1);
      return { ...A, adjoint: (y: Tensor) => lincomb(1.01, A.adjoint(y)) };
    },
    async (A) => {
      const { relative } = await dotTest(A, { draws: 16 });
      expect(relative).toBeGreaterThan(0.005);
      expect(relative).toBeLessThan(0.02);
    },
  ));

test("compose acts from the right, stack from the top", async () => {
  const [a, b, x] = [normals(12, 1), normals(20, 2), normals(10, 3)].map(asF32) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  const out = await evaluate(() => {
    const [P, F, t] = [dense(3, 4, a), dense(4, 5, b), tensor([2, 5], x)];
    return {
      product: compose(P, F).apply(t),
      want: P.apply(F.apply(t)),
      stacked: stack(
        F,
        dense(
          4,
          5,
          b.map((v) => -v),
        ),
      ).apply(t),
      top: F.apply(t),
    };
  });
  expectClose(out.product, out.want, { l2: 1e-7 });
  for (const [i, v] of out.top.entries()) {
    const at = Math.floor(i / 4) * 8 + (i % 4);
    expect([out.stacked[at], out.stacked[at + 4]]).toEqual([v, -v]);
  }
});

test("the README's ghost, composed and stacked as pictures", () => {
  const ghost = (domain: readonly number[], dy: number, dx: number, strength = 0.5) =>
    linear({
      name: "ghost",
      domain,
      range: domain,
      apply: (x) => lincomb(1, x, strength, roll(x, [dy, dx])),
      adjoint: (y) => lincomb(1, y, strength, roll(y, [-dy, -dx])),
    });
  const shape = [6, 5, 3];
  const A = stack(ghost(shape, 1, 2), compose(ghost(shape, 0, 1), ghost(shape, 2, 2, -1)));
  expect(A.range).toEqual([6, 5, 6]);
  return using(
    () => A,
    async () => expect((await dotTest(A)).relative).toBeLessThan(1e-6),
  );
});

test("the norm by the power method, real and complex", async () => {
  for (const type of ["f32", "c64"] as const)
    await using(
      () => scale(2, linear({ ...matrix(8, 8, 5, type), norm: 1 })),
      async (A) => {
        expect(A.norm).toBe(2);
        const wide = await powerMethod(A, { iterations: 300 });
        expect(await powerMethod(H(A), { iterations: 300, seed: 7 })).toBeCloseTo(wide, 3);
        expect(await powerMethod(A, { iterations: 5 })).toBeLessThanOrEqual(wide * (1 + 1e-5));
      },
    );
  await using(
    () => dense(2, 2, [3, 0, 0, -4]),
    async (A) => expect(await powerMethod(A)).toBeCloseTo(4, 5),
  );
});

test("scale carries norm, prox and pinv over", async () => {
  const A = linear({
    domain: [4],
    range: [4],
    norm: 1,
    apply: (x) => lincomb(1, x),
    adjoint: (y) => lincomb(1, y),
    prox: (v, y, rho) => lincomb(1 / (1 + rho), y, rho / (1 + rho), v),
    pinv: (y, eta) => lincomb(1 / (1 + eta), y),
  });
  const B = scale(-2, A);
  expect(B.norm).toBe(2);
  const out = await evaluate(() => {
    const [v, y] = [tensor([1, 4], [1, 2, 3, 4]), tensor([1, 4], [5, 6, 7, 8])];
    return { prox: B.prox?.(v, y, 3) as Tensor, pinv: B.pinv?.(y, 0.5) as Tensor };
  });
  // argmin (-2 x - y)^2 + 3 (x - v)^2;   -2 y/(4 + 1/2)
  expectClose(
    out.prox,
    [1, 2, 3, 4].map((v, i) => (-2 * (5 + i) + 3 * v) / 7),
    { l2: 1e-6 },
  );
  expectClose(
    out.pinv,
    [5, 6, 7, 8].map((y) => (-2 * y) / 4.5),
    { l2: 1e-6 },
  );
});

test("an operator is a tree: a scope keeps what it holds, dispose frees it", () => {
  const before = held.gpu.live;
  const A = scope(() => compose(matrix(3, 6, 1), scale(2, matrix(6, 4, 2))));
  expect(held.gpu.live).toBeGreaterThan(before);
  dispose(A);
  expect(held.gpu.live).toBe(before);
});

test("what does not fit is refused, by name and numbers", async () => {
  await evaluate(() => {
    const [A, B, C] = [matrix(3, 4, 1), matrix(5, 6, 2), matrix(4, 4, 3, "c64")];
    expect(() => A.apply(tensor([1, 5], new Float32Array(5)))).toThrow(
      "dense: apply expects its domain as f32 [N, 4], got f32 [1, 5]",
    );
    expect(() => A.adjoint(tensor([3], new Float32Array(3)))).toThrow(
      "dense: adjoint expects its range as f32 [N, 3], got f32 [3]",
    );
    expect(() => C.apply(tensor([1, 4], new Float32Array(4)))).toThrow("as c64 [N, 4], got f32 [1, 4]");
    expect(() => compose(A, B)).toThrow("compose: dense takes f32 [4], dense gives f32 [5]");
    expect(() => compose(A, C)).toThrow("gives c64 [4]");
    expect(() => stack(A, B)).toThrow("domains and types must agree");
    return [];
  });
  expect(() => compose()).toThrow("compose: no operators");
  expect(() => stack()).toThrow("stack: no operators");
});

test("a product with a part that is not linear has no adjoint", async () => {
  const bent = { domain: [4], range: [4], apply: (x: Tensor) => square(x) };
  const A = compose(bent, { domain: [4], range: [4], apply: (x: Tensor) => lincomb(2, x) });
  expect(isLinear(A)).toBe(false);
  const { y } = await evaluate(() => ({ y: A.apply(tensor([1, 4], [1, 2, 3, 4])) }));
  expect([...y]).toEqual([4, 16, 36, 64]);
});
