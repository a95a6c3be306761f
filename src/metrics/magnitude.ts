import { nrmse } from "./nrmse.ts";
import { ssim } from "./ssim.ts";

/** Of interleaved complex numbers; real ones, of which there are as many as pixels, are left as they are. */
export const moduli = (x: Float32Array, pixels: number): Float32Array =>
  x.length === pixels
    ? x
    : Float32Array.from({ length: pixels }, (_, i) => Math.hypot(x[2 * i] as number, x[2 * i + 1] as number));

export interface MagnitudeErrors {
  /** Of magnitudes, |x - truth|/|truth|, and of complex numbers; PSNR and SSIM of magnitudes, peak the truth's largest. */
  nrmse: number;
  nrmseComplex: number;
  psnr: number;
  ssim: number | null;
}

/** How far one complex (or real) picture [H, W] is from another. */
export function magnitudeErrors(
  x: Float32Array,
  truth: Float32Array,
  [height, width]: readonly [number, number],
): MagnitudeErrors {
  const [a, b] = [moduli(x, height * width), moduli(truth, height * width)];
  const peak = b.reduce((m, v) => Math.max(m, v), 0) || 1;
  const round = (v: number, digits: number) => Number(v.toFixed(digits));
  const mse = a.reduce((sum, v, i) => sum + (v - (b[i] as number)) ** 2, 0) / a.length;
  const unit = (m: Float32Array) => m.map((v) => (2 * v) / peak - 1);
  return {
    nrmse: round(nrmse(a, b), 5),
    nrmseComplex: round(nrmse(x, truth), 5),
    psnr: round(10 * Math.log10(peak ** 2 / mse), 3),
    ssim: Math.min(height, width) >= 11 ? round(ssim(unit(a), unit(b), { width, height, channels: 1 }), 4) : null,
  };
}
