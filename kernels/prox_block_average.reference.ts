import { type Matrix, onPlanes, prox } from "./dense.reference.ts";

/** The mean over blocks of k x k pixels as a matrix, h and w of the large picture. */
export function blockAverage(h: number, w: number, k: number): Matrix {
  return Array.from({ length: (h / k) * (w / k) }, (_, i) => {
    const [top, left] = [Math.floor(i / (w / k)) * k, (i % (w / k)) * k];
    const row = new Float64Array(h * w);
    for (let a = 0; a < k; a++) for (let b = 0; b < k; b++) row[(top + a) * w + left + b] = 1 / (k * k);
    return row;
  });
}

/** The proximal step by a dense solve, plane by plane of v [N, H, W, C]. */
export function proxBlockAverage(
  y: ArrayLike<number>,
  v: ArrayLike<number>,
  [n, h, w, c]: readonly [number, number, number, number],
  k: number,
  rho: number,
): Float64Array {
  const a = blockAverage(h, w, k);
  return onPlanes([y, v], [n, c], ([py, pv]) => prox(a, py as Float64Array, pv as Float64Array, rho));
}
