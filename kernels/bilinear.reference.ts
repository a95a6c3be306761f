/** Bilinear resizing of [N, H, W, C] in doubles, as the sum of tents about each sample. */
export function resizeBilinear(
  x: ArrayLike<number>,
  [N, H, W, C]: readonly number[],
  [Ho, Wo]: readonly [number, number],
): Float64Array {
  const [n, h, w, c] = [N as number, H as number, W as number, C as number];
  const place = (i: number, length: number, size: number) =>
    Math.min(Math.max(((i + 0.5) * length) / size - 0.5, 0), length - 1);
  const y = new Float64Array(n * Ho * Wo * c);
  for (let o = 0; o < y.length; o++) {
    const [k, j, i, b] = [o % c, Math.floor(o / c) % Wo, Math.floor(o / c / Wo) % Ho, Math.floor(o / c / Wo / Ho)];
    const [v, u] = [place(i, h, Ho), place(j, w, Wo)];
    for (let p = Math.floor(v); p <= Math.ceil(v); p++)
      for (let q = Math.floor(u); q <= Math.ceil(u); q++)
        y[o] =
          (y[o] as number) +
          (1 - Math.abs(v - p)) * (1 - Math.abs(u - q)) * (x[((b * h + p) * w + q) * c + k] as number);
  }
  return y;
}
