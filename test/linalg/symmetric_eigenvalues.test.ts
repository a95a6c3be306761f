import { expect, test } from "vitest";
import { pivotedCholesky } from "../../src/linalg/cholesky.ts";
import { hermitianEigen } from "../../src/linalg/hermitian_eigen.ts";
import { symmetricEigenvalues } from "../../src/linalg/symmetric_eigenvalues.ts";
import { seeded } from "../lib/seeded.ts";

/** B^T B of [m, n]. */
function gram(n: number, m: number): Float64Array {
  const b = seeded(`gram${n}x${m}`, m * n);
  return Float64Array.from({ length: n * n }, (_, i) => {
    let sum = 0;
    for (let k = 0; k < m; k++) sum += (b[k * n + Math.floor(i / n)] as number) * (b[k * n + (i % n)] as number);
    return sum;
  });
}
const worst = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((most, v, i) => Math.max(most, Math.abs(v - (b[i] as number))), 0);

test.each([1, 2, 3, 17, 40])("eigenvalues of %i x %i, negative ones too, as with vectors", (n) => {
  const s = seeded(`sym${n}`, n * n);
  const A = Float64Array.from({ length: n * n }, (_, i) => {
    const [r, c] = [Math.floor(i / n), i % n];
    return (s[Math.min(r, c) * n + Math.max(r, c)] as number) * (r === c ? 3 : 1);
  });
  const complex = Float64Array.from({ length: 2 * n * n }, (_, i) => (i % 2 ? 0 : (A[i / 2] as number)));
  expect(worst(symmetricEigenvalues(A, n), hermitianEigen(complex, n).values)).toBeLessThan(1e-12);
});

test("repeated eigenvalues, and a diagonal that needs nothing", () => {
  expect([...symmetricEigenvalues([2, 0, 0, 0, 2, 0, 0, 0, -1], 3)]).toEqual([2, 2, -1]);
  const ones = new Float64Array(81).fill(1);
  expect(worst(symmetricEigenvalues(ones, 9), [9, 0, 0, 0, 0, 0, 0, 0, 0])).toBeLessThan(1e-14);
  expect(() => symmetricEigenvalues([1, 2], 2)).toThrow(/2x2/);
});

test.each([
  [12, 20, 12],
  [12, 7, 7],
  [5, 0, 0],
] as const)("Cholesky of %i x %i from %i vectors: rank %i, L L^T = A", (n, m, rank) => {
  const A = gram(n, m);
  const { L, rank: found } = pivotedCholesky(A, n);
  expect(found).toBe(rank);
  const back = Float64Array.from({ length: n * n }, (_, i) => {
    let sum = 0;
    for (let k = 0; k < rank; k++)
      sum += (L[Math.floor(i / n) * rank + k] as number) * (L[(i % n) * rank + k] as number);
    return sum;
  });
  expect(worst(back, A)).toBeLessThan(1e-13);
});
