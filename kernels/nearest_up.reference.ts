/** Each pixel of [N, H, W, C] repeated r x r times; with `insert` once, among zeros. Plain loops. */
export function nearestUp(
  x: ArrayLike<number>,
  [N, H, W, C]: readonly number[],
  r: number,
  insert = false,
): Float64Array {
  const [n, h, w, c] = [N as number, H as number, W as number, C as number];
  const y = new Float64Array(n * h * w * c * r * r);
  for (let b = 0; b < n; b++)
    for (let i = 0; i < h; i++)
      for (let j = 0; j < w; j++)
        for (let di = 0; di < (insert ? 1 : r); di++)
          for (let dj = 0; dj < (insert ? 1 : r); dj++)
            for (let k = 0; k < c; k++)
              y[((b * h * r + i * r + di) * w * r + j * r + dj) * c + k] = x[((b * h + i) * w + j) * c + k] as number;
  return y;
}
