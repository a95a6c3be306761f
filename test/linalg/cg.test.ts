import { expect, test } from "vitest";
import { lincomb } from "../../kernels/lincomb.ts";
import { vjp } from "../../src/autograd/vjp.ts";
import { conjugateGradients } from "../../src/linalg/cg.ts";
import { iterate } from "../../src/linalg/iterate.ts";
import { pinv, proxL2 } from "../../src/linalg/prox_l2.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { dense, solve } from "../lib/dense.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals } from "../lib/random.ts";

withGpu();

const [m, n] = [7, 5];
const rows = asF32(normals(m * n, 1));
const at = (i: number, j: number) => rows[i * n + j] as number;
const range = (k: number) => Array.from({ length: k }, (_, i) => i);
/** A^T A + rho, in doubles. */
const normalMatrix = (rho: number) =>
  range(n).map((i) => range(n).map((j) => range(m).reduce((s, k) => s + at(k, i) * at(k, j), i === j ? rho : 0)));
const adjoint = (y: ArrayLike<number>) =>
  range(n).map((j) => range(m).reduce((s, i) => s + at(i, j) * (y[i] as number), 0));

test("solves each sample of a batch, also one whose right-hand side is zero or far smaller", async () => {
  const b = asF32(normals(4 * n, 2)).map((v, i) => (i < n ? v : i < 2 * n ? 0 : i < 3 * n ? 1e-6 * v : v));
  const { x, residual } = await evaluate(() => {
    const A = dense(m, n, rows);
    return conjugateGradients((v) => lincomb(1, A.adjoint(A.apply(v)), 0.1, v), tensor([4, n], b), { iterations: 12 });
  });
  for (const k of range(4)) {
    const want = solve(normalMatrix(0.1), [...b.subarray(k * n, (k + 1) * n)]);
    expectClose(x.subarray(k * n, (k + 1) * n), want, { l2: 2e-5 });
    expect(residual[k]).toBeLessThanOrEqual(1e-6);
  }
});

test("further steps change nothing once a sample has converged", async () => {
  const b = asF32(normals(2 * n, 3));
  const out = await evaluate(() => {
    const A = dense(m, n, rows);
    const M = (v: Tensor) => lincomb(1, A.adjoint(A.apply(v)), 0.1, v);
    return [20, 21, 200].map((iterations) => conjugateGradients(M, tensor([2, n], b), { iterations, tol: 1e-5 }));
  });
  for (const { x, residual } of out) {
    expect([...x]).toEqual([...(out[0] as { x: Float32Array }).x]);
    expect(residual[0]).toBeLessThanOrEqual(1e-5);
  }
});

test("complex systems are Hermitian ones", async () => {
  const parts = asF32(normals(2 * m * n, 4));
  const b = asF32(normals(2 * n, 5));
  const { back } = await evaluate(() => {
    const A = dense(m, n, parts, "c64");
    const M = (v: Tensor) => lincomb(1, A.adjoint(A.apply(v)), 0.2, v);
    return { back: M(conjugateGradients(M, tensor([1, n], b, "c64"), { iterations: 30 }).x) };
  });
  expectClose(back, b, { l2: 1e-5 });
});

test("no step, and too few, leave what has been found", async () => {
  const out = await evaluate(() => {
    const A = dense(m, n, rows);
    const M = (v: Tensor) => lincomb(1, A.adjoint(A.apply(v)), 0.1, v);
    return [0, 1, 8].map((iterations) => conjugateGradients(M, tensor([1, n], normals(n, 6)), { iterations }));
  });
  expect([...(out[0] as { x: Float32Array }).x]).toEqual([0, 0, 0, 0, 0]);
  expect(out[0]?.residual[0]).toBeCloseTo(1, 6);
  expect(out[1]?.residual[0] as number).toBeGreaterThan(out[2]?.residual[0] as number);
});

test("iterate frees what is no longer carried, and never what it was given", async () => {
  const { kept, out } = await evaluate(() => {
    const a = tensor([1], [1]);
    const out = iterate(5, { v: a, c: a, k: 0 }, ({ v, c, k }, i) => ({
      v: lincomb(2, v, i === 3 ? 0 : 1, c),
      c: i < 2 ? c : v,
      k: k + 1,
    }));
    return { kept: a, out };
  });
  expect(kept[0]).toBe(1);
  expect(out.k).toBe(5);
});

const [v, y] = [asF32(normals(n, 7)), asF32(normals(m, 8))];
test.each([0, 1e-3, 0.5, 100])("proxL2 by conjugate gradients, rho %s, agrees with elimination", async (rho) => {
  const { x, p } = await evaluate(() => {
    const A = dense(m, n, rows);
    return { x: proxL2(A, tensor([1, n], v), tensor([1, m], y), rho), p: pinv(A, tensor([1, m], y), rho) };
  });
  expectClose(
    x,
    solve(
      normalMatrix(rho),
      adjoint(y).map((g, j) => g + rho * (v[j] as number)),
    ),
    { l2: 3e-5 },
  );
  expectClose(p, solve(normalMatrix(rho), adjoint(y)), { l2: 3e-5 });
});

test("proxL2 of a wide operator at rho = 0 is the solution nearest to v", async () => {
  // A = rows^T, 5 equations for 7 unknowns: x = v + A^T (A A^T)^-1 (y - A v), A A^T being the normal matrix above
  const [wideV, wideY] = [y, v];
  const rest = adjoint(wideV).map((av, j) => (wideY[j] as number) - av);
  const w = solve(normalMatrix(0), rest);
  const want = range(m).map(
    (i) => (wideV[i] as number) + range(n).reduce((s, j) => s + at(i, j) * (w[j] as number), 0),
  );
  const turned = range(n).flatMap((j) => range(m).map((i) => at(i, j)));
  const { x } = await evaluate(() => ({
    x: proxL2(dense(n, m, turned), tensor([1, m], wideV), tensor([1, n], wideY), 0),
  }));
  expectClose(x, want, { l2: 3e-5 });
});

test("proxL2 at rho = Infinity is v; negative and NaN are refused", async () => {
  const { x } = await evaluate(() => {
    const A = dense(m, n, rows);
    const [tv, ty] = [tensor([1, n], v), tensor([1, m], y)];
    for (const rho of [-1, Number.NaN])
      expect(() => proxL2(A, tv, ty, rho)).toThrow(`rho must be 0 or more, got ${rho}`);
    return { x: proxL2(A, tv, ty, Number.POSITIVE_INFINITY) };
  });
  expect([...x]).toEqual([...v]);
});

test.each([0, 0.3])("the gradient of proxL2 at rho %s, and the gradient of that", async (rho) => {
  const dx = asF32(normals(n, 9));
  const out = await evaluate(() => {
    const A = dense(m, n, rows);
    const f = (a: Tensor, b: Tensor) => proxL2(A, a, b, rho);
    const [tv, ty, td] = [tensor([1, n], v), tensor([1, m], y), tensor([1, n], dx)];
    const back = (d: Tensor) => vjp(f, tv, ty).pullback(d);
    const [dv, dy] = back(td);
    const again = vjp((d: Tensor) => lincomb(1, back(d)[1]), td).pullback(tensor([1, m], y))[0];
    return { dv, dy, again };
  });
  const w = solve(normalMatrix(rho), [...dx]);
  expectClose(
    out.dy,
    range(m).map((i) => range(n).reduce((s, j) => s + at(i, j) * (w[j] as number), 0)),
    { l2: 3e-5 },
  );
  if (rho)
    expectClose(
      out.dv,
      w.map((u) => rho * u),
      { l2: 3e-5 },
    );
  else expect(Math.max(...out.dv.map(Math.abs))).toBeLessThan(1e-4);
  expectClose(out.again, solve(normalMatrix(rho), adjoint(y)), { l2: 3e-5 });
});
