/** Sums over r x r blocks of [N, H, W, C], times scale, in plain loops and doubles. */
export function blockSum(
  x: ArrayLike<number>,
  [N, H, W, C]: readonly number[],
  r: number,
  scale: number,
): Float64Array {
  const [n, h, w, c] = [N as number, H as number, W as number, C as number];
  const [ho, wo] = [Math.floor(h / r), Math.floor(w / r)];
  const y = new Float64Array(n * ho * wo * c);
  for (let b = 0; b < n; b++)
    for (let i = 0; i < ho * r; i++)
      for (let j = 0; j < wo * r; j++)
        for (let k = 0; k < c; k++) {
          const at = ((b * ho + Math.floor(i / r)) * wo + Math.floor(j / r)) * c + k;
          y[at] = (y[at] as number) + scale * (x[((b * h + i) * w + j) * c + k] as number);
        }
  return y;
}
