/** A factor of a symmetric matrix that has no negative eigenvalues: A = L L^T. */
export interface Factor {
  /** Columns of L. */
  readonly rank: number;
  /** Row by row, [n, rank]. */
  readonly L: Float64Array;
}

/**
 * Cholesky's factor with pivots, in float64 on the host: the largest diagonal left is taken next, until none is above
 * n eps times the first, so that a matrix without full rank gives a narrow L. `A` is n rows of n numbers and is left alone.
 */
export function pivotedCholesky(A: ArrayLike<number>, n: number): Factor {
  if (A.length !== n * n) throw new RangeError(`pivotedCholesky: ${n}x${n} numbers expected, got ${A.length}`);
  const left = Float64Array.from({ length: n }, (_, i) => A[i * n + i] as number);
  const least = n * 2 ** -52 * left.reduce((most, v) => Math.max(most, v), 0);
  const columns: Float64Array[] = []; // of L
  const rows = Float64Array.from({ length: n * n }, () => 0); // of L, so that a dot product runs along memory
  while (columns.length < n) {
    const r = columns.length;
    let pivot = 0;
    for (let i = 1; i < n; i++) if ((left[i] as number) > (left[pivot] as number)) pivot = i;
    const d = left[pivot] as number;
    if (!(d > least)) break;
    const root = Math.sqrt(d);
    const column = new Float64Array(n);
    for (let i = 0; i < n; i++) {
      if (left[i] === Number.NEGATIVE_INFINITY) continue; // taken already: above the diagonal of the permuted L
      let v = A[i * n + pivot] as number;
      for (let k = 0; k < r; k++) v -= (rows[i * n + k] as number) * (rows[pivot * n + k] as number);
      column[i] = i === pivot ? root : v / root;
    }
    for (let i = 0; i < n; i++) {
      rows[i * n + r] = column[i] as number;
      left[i] = (left[i] as number) - (column[i] as number) ** 2;
    }
    left[pivot] = Number.NEGATIVE_INFINITY;
    columns.push(column);
  }
  const rank = columns.length;
  return {
    rank,
    L: Float64Array.from({ length: n * rank }, (_, i) => rows[Math.floor(i / rank) * n + (i % rank)] as number),
  };
}
