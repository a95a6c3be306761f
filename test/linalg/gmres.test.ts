import { expect, test } from "vitest";
import { lincomb } from "../../kernels/lincomb.ts";
import { anderson } from "../../src/linalg/anderson.ts";
import { broyden } from "../../src/linalg/broyden.ts";
import { gmres } from "../../src/linalg/gmres.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { dense, solve } from "../lib/dense.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals } from "../lib/random.ts";

withGpu();

const n = 8;
const range = (k: number) => Array.from({ length: k }, (_, i) => i);
/** 1 - J with J of norm .9 at most, not symmetric. */
const J = asF32(normals(n * n, 1).map((v) => (0.9 * v) / Math.hypot(...normals(n * n, 1))));
const rows = J.map((v, k) => (k % (n + 1) === 0 ? 1 : 0) - v);
const matrix = range(n).map((i) => range(n).map((j) => rows[i * n + j] as number));
/** Four right-hand sides, one 0 and one far smaller. */
const b = asF32(normals(4 * n, 2)).map((v, i) => (i < n ? v : i < 2 * n ? 0 : i < 3 * n ? 1e-6 * v : v));
const wanted = range(4).map((k) => solve(matrix, [...b.subarray(k * n, (k + 1) * n)]));

const solvers = {
  gmres: (M: (x: Tensor) => Tensor, y: Tensor, iterations: number) => gmres(M, y, { iterations }),
  broyden: (M: (x: Tensor) => Tensor, y: Tensor, iterations: number) =>
    broyden((x) => lincomb(1, y, -1, M(x)), lincomb(0, y), { iterations }),
};

test.each([
  ["gmres", n],
  ["broyden", 2 * n],
] as const)("%s solves each sample of a batch in %i iterations, and more change nothing", async (name, enough) => {
  const out = await evaluate(() => {
    const A = dense(n, n, rows);
    return [2, enough, 3 * n].map((k) => solvers[name](A.apply, tensor([4, n], b), k));
  });
  for (const { x, residual } of out.slice(1))
    for (const k of range(4)) {
      expectClose(x.subarray(k * n, (k + 1) * n), wanted[k] as number[], { l2: 2e-5 });
      expect(residual[k]).toBeLessThanOrEqual(2e-6);
    }
  expect([...(out[2] as { x: Float32Array }).x.subarray(n, 2 * n)]).toEqual(new Array(n).fill(0));
  expect(out[0]?.residual[0] as number).toBeGreaterThan(1e-3);
});

test("the residual of gmres is the least of the Krylov space", async () => {
  const { residual } = await evaluate(() => gmres(dense(n, n, rows).apply, tensor([4, n], b), { iterations: 2 }));
  // least squares over M b and M M b, by normal equations in doubles
  const times = (v: readonly number[]) => matrix.map((row) => row.reduce((s, m, j) => s + m * (v[j] as number), 0));
  const inner = (u: readonly number[], v: readonly number[]) => u.reduce((s, x, i) => s + x * (v[i] as number), 0);
  const first = [...b.subarray(0, n)];
  const basis = [times(first), times(times(first))] as const;
  const c = solve(
    basis.map((u) => basis.map((v) => inner(u, v))),
    basis.map((u) => inner(u, first)),
  );
  const r = first.map((v, i) => v - basis.reduce((s, u, k) => s + (c[k] as number) * (u[i] as number), 0));
  expect(residual[0]).toBeCloseTo(Math.sqrt(inner(r, r) / inner(first, first)), 5);
});

test("Anderson of a linear map with all it has seen is gmres; with one direction it still gets there", async () => {
  const out = await evaluate(() => {
    const A = dense(n, n, J);
    const y = tensor([4, n], b);
    return [n + 1, 1].map((memory) => {
      let x = lincomb(0, y);
      let remembered: Parameters<typeof anderson>[2] = { pairs: [] };
      for (let k = 0; k < (memory > 1 ? n + 2 : 60); k++)
        ({ x, remembered } = anderson(x, lincomb(1, A.apply(x), 1, y), remembered, { memory }));
      return x;
    });
  });
  for (const x of out)
    for (const k of [0, 1, 3]) expectClose(x.subarray(k * n, (k + 1) * n), wanted[k] as number[], { l2: 2e-5 });
});
