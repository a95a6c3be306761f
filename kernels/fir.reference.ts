/** upfirdn of [N, H, W, C] step by step, as it is defined: zeros between, zeros around, flip and slide, every down-th. */
export function upfirdn(
  x: ArrayLike<number>,
  [N, H, W, C]: readonly number[],
  k: readonly (readonly number[])[],
  up: number,
  down: number,
  [before, after]: readonly [number, number],
): Float64Array {
  const [n, h, w, c, L] = [N as number, H as number, W as number, C as number, k.length];
  const [hp, wp] = [h * up + before + after, w * up + before + after];
  const at = (b: number, i: number, j: number, ch: number) => {
    const [u, v] = [i - before, j - before];
    if (u < 0 || v < 0 || u >= h * up || v >= w * up || u % up || v % up) return 0;
    return x[((b * h + u / up) * w + v / up) * c + ch] as number;
  };
  const out: number[] = [];
  for (let b = 0; b < n; b++)
    for (let i = 0; i + L <= hp; i += down)
      for (let j = 0; j + L <= wp; j += down)
        for (let ch = 0; ch < c; ch++) {
          let s = 0;
          for (let p = 0; p < L; p++)
            for (let q = 0; q < L; q++) s += (k[L - 1 - p]?.[L - 1 - q] as number) * at(b, i + p, j + q, ch);
          out.push(s);
        }
  return Float64Array.from(out);
}

export const outer = (k: readonly number[]): number[][] => k.map((a) => k.map((b) => a * b));
