import { hermitianEigen } from "./hermitian_eigen.ts";

/** A real matrix on the host, row by row. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float64Array;
}

export const matrix = (rows: number, columns: number, f: (i: number, j: number) => number): Matrix => ({
  rows,
  columns,
  data: Float64Array.from({ length: rows * columns }, (_, k) => f(Math.floor(k / columns), k % columns)),
});
export const transposed = ({ rows, columns, data }: Matrix): Matrix =>
  matrix(columns, rows, (i, j) => data[j * columns + i] as number);

/** A B. */
export function multiplied(A: Matrix, B: Matrix): Matrix {
  if (A.columns !== B.rows)
    throw new RangeError(`matrix: ${A.rows}x${A.columns} times ${B.rows}x${B.columns} does not go`);
  const out = new Float64Array(A.rows * B.columns);
  for (let i = 0; i < A.rows; i++) {
    const row = out.subarray(i * B.columns, (i + 1) * B.columns);
    for (let k = 0; k < A.columns; k++) {
      const a = A.data[i * A.columns + k] as number;
      if (a === 0) continue;
      for (let j = 0; j < B.columns; j++) row[j] = (row[j] as number) + a * (B.data[k * B.columns + j] as number);
    }
  }
  return { rows: A.rows, columns: B.columns, data: out };
}

export interface Svd {
  /** Left singular vectors as columns. */
  readonly u: Matrix;
  /** Descending, above 1e-6 of the first. */
  readonly s: Float64Array;
  /** Right singular vectors as columns. */
  readonly v: Matrix;
}

/**
 * A = U S V^T in float64, from the eigenvectors of the smaller of A A^T and A^T A; singular values below 1e-6 of the first are
 * left out with their vectors. Those kept are right to 1e-10 of the first: squaring loses half of the digits at the lower end.
 */
export function svd(A: Matrix): Svd {
  if (A.rows > A.columns) {
    const { u, s, v } = svd(transposed(A));
    return { u: v, s, v: u };
  }
  const n = A.rows;
  const gram = multiplied(A, transposed(A));
  const complex = new Float64Array(2 * n * n);
  gram.data.forEach((v, i) => {
    complex[2 * i] = v;
  });
  const { values, vectors } = hermitianEigen(complex, n);
  const most = Math.sqrt(Math.max(values[0] ?? 0, 0));
  const rank = values.filter((w) => w > (1e-6 * most) ** 2).length;
  const u = matrix(n, rank, (i, k) => vectors[2 * (k * n + i)] as number);
  const Atu = multiplied(transposed(A), u);
  const s = new Float64Array(rank);
  Atu.data.forEach((v, i) => {
    s[i % rank] = (s[i % rank] as number) + v * v;
  });
  s.forEach((v, k) => {
    s[k] = Math.sqrt(v);
  });
  return { u, s, v: matrix(A.columns, rank, (j, k) => (Atu.data[j * rank + k] as number) / (s[k] as number)) };
}
