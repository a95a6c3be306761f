import { lanesFor } from "../src/tensor/kernel.ts";
import type { Maybe } from "../src/tensor/op.ts";
import type { Tensor } from "../src/tensor/tensor.ts";

/** What the passes need to know; `joint` says that `scale` holds both halves. */
export interface Plan {
  groups: number;
  eps: number;
  silu: boolean;
  joint: boolean;
}

/** Sizes of x and x2 as one [N, HW, C]. */
export function extents(x: Tensor, x2: Maybe) {
  const CA = x.shape.at(-1) as number;
  const CB = (x2?.shape.at(-1) as number) ?? 0;
  const N = x.shape[0] as number;
  return { N, HW: x.size / Math.max(1, N * CA), CA, CB, C: CA + CB, lanes: lanesFor(CA, CB) };
}

/** How pixels are shared out: runs of T pixels, R apart, K to a picture (shaders/lib/pixel_run.wgsl). */
export function pixelRuns(x: Tensor, x2: Maybe, most: number) {
  const { N, HW, CA, CB, lanes } = extents(x, x2);
  const CV = (CA + CB) / lanes;
  // few invocations leave processors idle, short runs leave much to combine
  const wanted = x.storage.gpu.software ? 2048 : 131_072;
  const T = Math.max(Math.min(8, most), Math.min(most, Math.ceil((N * HW * CV) / wanted)));
  const R = Math.max(1, Math.min(Math.floor(64 / CV), Math.ceil(HW / T)));
  const K = R * Math.ceil(HW / (R * T));
  return { n: N * K * CV, HW, CV, CA: CA / lanes, K, R, T };
}
/** Pixels to a run where sums are formed, and where each pixel is also written. */
export const SUMS = 64;
export const WRITES = 8;

/** Invocations that work on the statistics of one group: barriers cost a software adapter more than they save. */
export const lanesPerGroup = (partial: Tensor, terms: number): number =>
  partial.storage.gpu.software || terms <= 4 ? 1 : terms <= 64 ? 8 : 64;

export const strideOf = (scale: Maybe): number => (scale?.shape[1] as number) ?? 0;
