/** Every s-th pixel of every s-th row of [N, H, W, C]. Plain loops. */
export function decimate(x: ArrayLike<number>, [N, H, W, C]: readonly number[], s: number): Float64Array {
  const [n, h, w, c] = [N as number, H as number, W as number, C as number];
  const out: number[] = [];
  for (let b = 0; b < n; b++)
    for (let i = 0; i < h; i += s)
      for (let j = 0; j < w; j += s) for (let k = 0; k < c; k++) out.push(x[((b * h + i) * w + j) * c + k] as number);
  return Float64Array.from(out);
}
