import { type Matrix, onPlanes, prox } from "./dense.reference.ts";
import { convolution } from "./prox_fourier.reference.ts";

/** Circular blur, then the first pixel of each f x f block, as a matrix. */
export const decimation = (psf: readonly (readonly number[])[], h: number, w: number, f: number): Matrix =>
  convolution(psf, h, w).filter((_, i) => Math.floor(i / w) % f === 0 && (i % w) % f === 0);

/** The proximal step by a dense solve, plane by plane of v [N, H, W, C]. */
export function proxAliased(
  psfs: readonly (readonly (readonly number[])[])[],
  y: ArrayLike<number>,
  v: ArrayLike<number>,
  [n, h, w, c]: readonly [number, number, number, number],
  f: number,
  rho: number,
): Float64Array {
  const all = psfs.map((psf) => decimation(psf, h, w, f));
  return onPlanes([y, v], [n, c], ([py, pv], ch) =>
    prox(all[ch % all.length] as Matrix, py as Float64Array, pv as Float64Array, rho),
  );
}
