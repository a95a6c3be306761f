/** The last two axes swapped, in plain loops: [B, M, N] to [B, N, M]. */
export function transpose(x: ArrayLike<number>, [B, M, N]: readonly [number, number, number]): Float64Array {
  const out = new Float64Array(B * M * N);
  for (let b = 0; b < B; b++)
    for (let m = 0; m < M; m++) for (let n = 0; n < N; n++) out[(b * N + n) * M + m] = x[(b * M + m) * N + n] as number;
  return out;
}
