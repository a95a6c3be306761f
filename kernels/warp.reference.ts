/** The affine warp of [N, H, W, C] in doubles: Keys' kernel with a = -1/2 over all samples of an endlessly mirrored picture. */
export function warp(
  x: ArrayLike<number>,
  [N, H, W, C]: readonly [number, number, number, number],
  maps: readonly (readonly number[])[],
): Float64Array {
  const weight = (t: number): number => {
    const s = Math.abs(t);
    if (s >= 2) return 0;
    return s <= 1 ? 1 - 2.5 * s ** 2 + 1.5 * s ** 3 : 2 - 4 * s + 2.5 * s ** 2 - 0.5 * s ** 3;
  };
  const mirror = (i: number, size: number): number => {
    let k = i;
    while (k < 0 || k >= size) k = size === 1 ? 0 : k < 0 ? -k : 2 * (size - 1) - k;
    return k;
  };
  const y = new Float64Array(N * H * W * C);
  for (let n = 0; n < N; n++)
    for (let i = 0; i < H; i++)
      for (let j = 0; j < W; j++) {
        const [a, b, c, d, e, f] = maps[n] as [number, number, number, number, number, number];
        const [dx, dy] = [j - (W - 1) / 2, i - (H - 1) / 2];
        const [u, v] = [a * dx + b * dy + c + (W - 1) / 2, d * dx + e * dy + f + (H - 1) / 2];
        for (let p = Math.ceil(v - 2); p <= v + 2; p++)
          for (let q = Math.ceil(u - 2); q <= u + 2; q++)
            for (let k = 0; k < C; k++) {
              const from = ((n * H + mirror(p, H)) * W + mirror(q, W)) * C + k;
              const to = ((n * H + i) * W + j) * C + k;
              y[to] = (y[to] as number) + weight(v - p) * weight(u - q) * (x[from] as number);
            }
      }
  return y;
}
