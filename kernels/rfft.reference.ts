import { fft, fft2 } from "./fft.reference.ts";

/** Real numbers as complex ones. */
export const widen = (x: ArrayLike<number>): Float64Array =>
  Float64Array.from({ length: 2 * x.length }, (_, i) => (i % 2 ? 0 : (x[i / 2] as number)));

/** Rows 0 to floor(H/2) of the transform of real pictures [N, H, W, C]. */
export function rfft2(x: ArrayLike<number>, shape: readonly number[], scale = 1): Float64Array {
  const [n, h, w, c] = shape as [number, number, number, number];
  const full = fft2(widen(x), shape, false, scale);
  const half = Math.floor(h / 2) + 1;
  const out = new Float64Array(2 * n * half * w * c);
  for (let i = 0; i < n; i++)
    out.set(full.subarray(2 * i * h * w * c, 2 * (i * h + half) * w * c), 2 * i * half * w * c);
  return out;
}

/** Real pictures of half spectra: what is left of self-conjugate rows after the transform along W is taken as real. */
export function irfft2(x: ArrayLike<number>, shape: readonly number[], height: number, scale = 1): Float64Array {
  const [n, half, w, c] = shape as [number, number, number, number];
  const lines = fft(x, shape, 2, true);
  const full = new Float64Array(2 * n * height * w * c);
  for (let i = 0; i < n; i++)
    for (let k = 0; k < height; k++)
      for (let e = 0; e < w * c; e++) {
        const mirrored = k >= half;
        const from = 2 * ((i * half + (mirrored ? height - k : k)) * w * c + e);
        const to = 2 * ((i * height + k) * w * c + e);
        full[to] = lines[from] as number;
        full[to + 1] = (k === 0 || 2 * k === height ? 0 : mirrored ? -1 : 1) * (lines[from + 1] as number);
      }
  return fft(full, [n, height, w, c], 1, true, scale).filter((_, i) => i % 2 === 0);
}
