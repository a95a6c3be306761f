/** X_k = scale sum_j x_j exp(-+ 2 pi i j k / n) along one axis, as it is written. Complex, interleaved. */
export function fft(
  x: ArrayLike<number>,
  shape: readonly number[],
  axis: number,
  inverse = false,
  scale = 1,
): Float64Array {
  const n = shape[axis] as number;
  const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const lines = shape.slice(0, axis).reduce((a, b) => a * b, 1);
  const cos = Float64Array.from({ length: n }, (_, k) => Math.cos((2 * Math.PI * k) / n));
  const sin = Float64Array.from({ length: n }, (_, k) => (inverse ? 1 : -1) * Math.sin((2 * Math.PI * k) / n));
  const out = new Float64Array(2 * lines * n * inner);
  for (let l = 0; l < lines; l++)
    for (let c = 0; c < inner; c++)
      for (let k = 0; k < n; k++) {
        let re = 0;
        let im = 0;
        for (let j = 0, t = 0; j < n; j++, t = (t + k) % n) {
          const i = 2 * ((l * n + j) * inner + c);
          re += (x[i] as number) * (cos[t] as number) - (x[i + 1] as number) * (sin[t] as number);
          im += (x[i] as number) * (sin[t] as number) + (x[i + 1] as number) * (cos[t] as number);
        }
        const o = 2 * ((l * n + k) * inner + c);
        out[o] = scale * re;
        out[o + 1] = scale * im;
      }
  return out;
}

/** Along H and W of [N, H, W, C]. */
export const fft2 = (x: ArrayLike<number>, shape: readonly number[], inverse = false, scale = 1): Float64Array =>
  fft(fft(x, shape, 2, inverse), shape, 1, inverse, scale);
