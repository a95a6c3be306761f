import { qlImplicit } from "./ql_implicit.ts";

/**
 * The eigenvalues of a real symmetric matrix, descending, in float64 on the host: Householder's reduction to three diagonals
 * and the implicit QL iteration without vectors [Wilkinson & Reinsch 1971, II/2 and II/3]. `A` is n rows of n numbers and is
 * left alone. About 2 n^3 multiplications, a fifth of `hermitianEigen`'s: some 20 s for n = 2048. Right to n eps times the largest.
 */
export function symmetricEigenvalues(A: ArrayLike<number>, n: number): Float64Array {
  if (A.length !== n * n) throw new RangeError(`symmetricEigenvalues: ${n}x${n} numbers expected, got ${A.length}`);
  const a = Float64Array.from(A);
  const e = new Float64Array(n);
  for (let k = 0; k + 2 < n; k++) e[k] = mirror(a, n, k);
  if (n > 1) e[n - 2] = a[(n - 1) * n + n - 2] as number;
  const d = Float64Array.from({ length: n }, (_, k) => a[k * n + k] as number);
  qlImplicit(d, e, 2 ** -50); // below it, sweeps of 2048 numbers only move rounding about
  return d.sort().reverse();
}

/** a becomes H a H with H = I - 2 u u^T, which leaves of column k only the number beside the diagonal; that is returned. */
function mirror(a: Float64Array, n: number, k: number): number {
  const u = new Float64Array(n);
  let power = 0;
  for (let i = k + 1; i < n; i++) {
    u[i] = a[i * n + k] as number;
    power += (u[i] as number) ** 2;
  }
  const size = Math.sqrt(power);
  if (size === 0) return 0;
  const first = u[k + 1] as number;
  const sign = first < 0 ? -1 : 1; // away from the first entry, so that nothing cancels
  u[k + 1] = first + sign * size;
  const scale = 1 / Math.sqrt(2 * size * (size + Math.abs(first)));
  for (let i = k + 1; i < n; i++) u[i] = (u[i] as number) * scale;
  // w = a u - (u^T a u) u;  a -= 2 (u w^T + w u^T)
  const w = new Float64Array(n);
  let overlap = 0;
  for (let i = k + 1; i < n; i++) {
    let dot = 0;
    for (let j = k + 1, at = i * n + k + 1; j < n; j++, at++) dot += (a[at] as number) * (u[j] as number);
    w[i] = dot;
    overlap += dot * (u[i] as number);
  }
  for (let i = k + 1; i < n; i++) w[i] = (w[i] as number) - overlap * (u[i] as number);
  for (let i = k + 1; i < n; i++) {
    const [p, q] = [2 * (u[i] as number), 2 * (w[i] as number)];
    for (let j = k + 1, at = i * n + k + 1; j < n; j++, at++)
      a[at] = (a[at] as number) - p * (w[j] as number) - q * (u[j] as number);
  }
  return -sign * size;
}
