/** The index that is read for t outside [0, size), walking one step at a time; -1 for none. */
function walk(t: number, size: number, mode: string): number {
  if (t >= 0 && t < size) return t;
  if (mode === "zero") return -1;
  if (mode === "replicate") return t < 0 ? 0 : size - 1;
  if (mode === "circular") return walk(t < 0 ? t + size : t - size, size, mode);
  return size === 1 ? 0 : walk(t < 0 ? -t : 2 * (size - 1) - t, size, mode);
}

/** [N, H, W, C] within a border of [top, bottom, left, right]. Plain loops; a negative border crops. */
export function pad(
  x: ArrayLike<number>,
  [N, H, W, C]: readonly number[],
  [top, bottom, left, right]: readonly [number, number, number, number],
  mode = "zero",
  value = 0,
): Float64Array {
  const [n, h, w, c] = [N as number, H as number, W as number, C as number];
  const out: number[] = [];
  for (let b = 0; b < n; b++)
    for (let i = -top; i < h + bottom; i++)
      for (let j = -left; j < w + right; j++)
        for (let k = 0; k < c; k++) {
          const [si, sj] = [walk(i, h, mode), walk(j, w, mode)];
          out.push(si < 0 || sj < 0 ? value : (x[((b * h + si) * w + sj) * c + k] as number));
        }
  return Float64Array.from(out);
}
