const mod = (a: number, n: number) => ((a % n) + n) % n;

/** y[i, j] = x[(si i - dy) mod H, (sj j - dx) mod W] of [N, H, W, C]: a roll for s = 1, a flip for s = -1 and d = 1. */
export function move(
  x: ArrayLike<number>,
  [N, H, W, C]: readonly number[],
  [dy, dx]: readonly number[],
  [si, sj]: readonly number[] = [1, 1],
): Float64Array {
  const [n, h, w, c] = [N as number, H as number, W as number, C as number];
  const out: number[] = [];
  for (let b = 0; b < n; b++)
    for (let i = 0; i < h; i++)
      for (let j = 0; j < w; j++) {
        const [y, z] = [mod((si as number) * i - (dy as number), h), mod((sj as number) * j - (dx as number), w)];
        for (let k = 0; k < c; k++) out.push(x[((b * h + y) * w + z) * c + k] as number);
      }
  return Float64Array.from(out);
}
