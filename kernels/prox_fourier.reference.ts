import { type Matrix, onPlanes, prox, times } from "./dense.reference.ts";
import { fft2 } from "./fft.reference.ts";

type Shape = readonly [number, number, number, number];
type Rows = readonly (readonly number[])[];

/** Circular convolution with a PSF whose centre is tap floor(k/2), as a matrix. */
export function convolution(psf: Rows, h: number, w: number): Matrix {
  const [cy, cx] = [Math.floor(psf.length / 2), Math.floor((psf[0] as readonly number[]).length / 2)];
  return Array.from({ length: h * w }, (_, i) => {
    const [y, x] = [Math.floor(i / w), i % w];
    const row = new Float64Array(h * w);
    psf.forEach((taps, a) => {
      taps.forEach((v, b) => {
        const at = ((((y - a + cy) % h) + h) % h) * w + ((((x - b + cx) % w) + w) % w);
        row[at] = (row[at] as number) + v;
      });
    });
    return row;
  });
}

/** B x, plane by plane; one PSF to a channel, or one for all. */
export function convolve(psfs: readonly Rows[], x: ArrayLike<number>, [n, h, w, c]: Shape): Float64Array {
  const all = psfs.map((psf) => convolution(psf, h, w));
  return onPlanes([x], [n, c], ([plane], ch) => times(all[ch % all.length] as Matrix, plane as Float64Array));
}

/** The proximal step of circular blur by a dense solve, plane by plane. */
export function proxFourier(
  psfs: readonly Rows[],
  y: ArrayLike<number>,
  v: ArrayLike<number>,
  [n, h, w, c]: Shape,
  rho: number,
): Float64Array {
  const all = psfs.map((psf) => convolution(psf, h, w));
  return onPlanes([y, v], [n, c], ([py, pv], ch) =>
    prox(all[ch % all.length] as Matrix, py as Float64Array, pv as Float64Array, rho),
  );
}

/** The same for complex pictures and any OTF [1, H, W, 1], in the Fourier domain as it is written. Interleaved. */
export function proxSpectra(
  otf: ArrayLike<number>,
  y: ArrayLike<number>,
  v: ArrayLike<number>,
  shape: Shape,
  rho: number,
): Float64Array {
  const [, h, w, c] = shape;
  const [fy, fv] = [fft2(y, shape), fft2(v, shape)];
  const x = new Float64Array(fv.length);
  for (let i = 0; i < x.length; i += 2) {
    const at = 2 * (Math.floor(i / 2 / c) % (h * w));
    const [br, bi] = [otf[at] as number, otf[at + 1] as number];
    const [yr, yi] = [fy[i] as number, fy[i + 1] as number];
    const below = br * br + bi * bi + rho;
    x[i] = (br * yr + bi * yi + rho * (fv[i] as number)) / below;
    x[i + 1] = (br * yi - bi * yr + rho * (fv[i + 1] as number)) / below;
  }
  return fft2(x, shape, true, 1 / (h * w));
}
