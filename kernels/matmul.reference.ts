/** One product of matrices: a is M x K, or K x M when transposed; b is K x N, or N x K. */
export function matmul(
  {
    M,
    N,
    K,
    transposeA = false,
    transposeB = false,
  }: { M: number; N: number; K: number; transposeA?: boolean; transposeB?: boolean },
  a: ArrayLike<number>,
  b: ArrayLike<number>,
): Float64Array {
  const c = new Float64Array(M * N);
  for (let m = 0; m < M; m++)
    for (let k = 0; k < K; k++) {
      const v = a[transposeA ? k * M + m : m * K + k] as number;
      for (let n = 0; n < N; n++)
        c[m * N + n] = (c[m * N + n] as number) + v * (b[transposeB ? n * K + k : k * N + n] as number);
    }
  return c;
}
