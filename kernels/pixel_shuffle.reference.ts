/** [N, H, W, C] to [N, H/r, W/r, C r^2] in PyTorch's channel order. Plain loops. */
export function pixelUnshuffle(x: ArrayLike<number>, [N, H, W, C]: readonly number[], r: number): Float64Array {
  const [n, h, w, c] = [N as number, (H as number) / r, (W as number) / r, C as number];
  const y = new Float64Array(x.length);
  let o = 0;
  for (let b = 0; b < n; b++)
    for (let i = 0; i < h; i++)
      for (let j = 0; j < w; j++)
        for (let k = 0; k < c; k++)
          for (let di = 0; di < r; di++)
            for (let dj = 0; dj < r; dj++)
              y[o++] = x[((b * h * r + i * r + di) * w * r + j * r + dj) * c + k] as number;
  return y;
}
