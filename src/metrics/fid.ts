import { pivotedCholesky } from "../linalg/cholesky.ts";
import { symmetricEigenvalues } from "../linalg/symmetric_eigenvalues.ts";
import type { Features } from "../nets/inception.ts";
import type { Params } from "../nets/net.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Mean and covariance of n vectors; of a sample, so divided by n - 1. */
export interface Moments {
  readonly count: number;
  readonly mean: Float64Array;
  /** Row by row. */
  readonly covariance: Float64Array;
}

/** Gathers mean and covariance of vectors of this width as they come, in float64. */
export function gatherMoments(width: number): { add(rows: ArrayLike<number>): void; finish(): Moments } {
  const sums = new Float64Array(width);
  const products = new Float64Array(width * width); // its lower triangle
  const v = new Float64Array(width);
  let origin: Float64Array | undefined;
  let count = 0;
  return {
    add(rows) {
      if (rows.length % width)
        throw new RangeError(`fid: rows of ${width} numbers expected, got ${rows.length} numbers`);
      for (let at = 0; at < rows.length; at += width) {
        // about the first vector: squares of features far from 0 would cancel
        origin ??= Float64Array.from({ length: width }, (_, i) => rows[at + i] as number);
        for (let i = 0; i < width; i++) v[i] = (rows[at + i] as number) - (origin[i] as number);
        for (let i = 0; i < width; i++) {
          const a = v[i] as number;
          sums[i] = (sums[i] as number) + a;
          if (a === 0) continue;
          for (let j = 0, k = i * width; j <= i; j++, k++) products[k] = (products[k] as number) + a * (v[j] as number);
        }
        count++;
      }
    },
    finish() {
      if (count < 2) throw new RangeError(`fid: a covariance takes two pictures or more, got ${count}`);
      const covariance = new Float64Array(width * width);
      for (let i = 0; i < width; i++)
        for (let j = 0; j <= i; j++) {
          const s = ((sums[i] as number) * (sums[j] as number)) / count;
          const c = ((products[i * width + j] as number) - s) / (count - 1);
          covariance[i * width + j] = c;
          covariance[j * width + i] = c;
        }
      return { count, mean: sums.map((s, i) => s / count + (origin?.[i] ?? 0)), covariance };
    },
  };
}

/** Feature vectors of pictures [N, H, W, 3] in [-1, 1], batch after batch, to their moments. Batches are left to the caller. */
export async function featureMoments(
  net: Features,
  params: Params,
  batches: Iterable<Tensor> | AsyncIterable<Tensor>,
): Promise<Moments> {
  const gathered = gatherMoments(net.features);
  for await (const x of batches) {
    using y = net.apply(params, x);
    gathered.add(await y.read());
  }
  return gathered.finish();
}

/**
 * Frechet's distance of two normal distributions, squared: with Inception's features, FID [Heusel 2017].
 *   d = |m1 - m2|^2 + tr C1 + tr C2 - 2 tr (C1 C2)^1/2
 * The eigenvalues of C1 C2 are those of L^T C2 L, C1 = L L^T, which is symmetric: no ridge is needed where fewer pictures than
 * features leave C1 singular (pytorch-fid adds 1e-6 when its root fails). Float64 on the host; one to three minutes for 2048 features.
 */
export function frechet(a: Moments, b: Moments): number {
  const d = a.mean.length;
  if (b.mean.length !== d) throw new RangeError(`fid: as many features expected, got ${d} and ${b.mean.length}`);
  const trace = ({ covariance }: Moments) => a.mean.reduce((t, _, i) => t + (covariance[i * d + i] as number), 0);
  const between = a.mean.reduce((s, m, i) => s + (m - (b.mean[i] as number)) ** 2, 0);
  const { L, rank } = pivotedCholesky(a.covariance, d);
  const right = product(b.covariance, L, [d, d, rank]);
  const middle = product(turned(L, d, rank), right, [rank, d, rank]);
  const values = symmetricEigenvalues(middle, rank);
  const least = rank * 2 ** -52 * (values[0] ?? 0); // below it there is only rounding, of which the root would be large
  const root = values.reduce((s, w) => s + (w > least ? Math.sqrt(w) : 0), 0);
  return Math.max(0, between + trace(a) + trace(b) - 2 * root);
}

const turned = (A: Float64Array, rows: number, columns: number): Float64Array =>
  Float64Array.from({ length: A.length }, (_, i) => A[(i % rows) * columns + Math.floor(i / rows)] as number);

/** A B of [n, m] and [m, p]. */
function product(A: Float64Array, B: Float64Array, [n, m, p]: readonly [number, number, number]): Float64Array {
  const out = new Float64Array(n * p);
  for (let i = 0; i < n; i++)
    for (let k = 0; k < m; k++) {
      const a = A[i * m + k] as number;
      if (a === 0) continue;
      for (let j = 0, to = i * p, from = k * p; j < p; j++, to++, from++)
        out[to] = (out[to] as number) + a * (B[from] as number);
    }
  return out;
}
