import { mul } from "../../kernels/broadcast.ts";
import { complexAbs } from "../../kernels/complex.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import type { Rng } from "../../kernels/random.ts";
import { mean } from "../../kernels/reduce.ts";
import { scope } from "../tensor/scope.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import { type MriBatch, operatorOf } from "./mri_data.ts";

export interface SplitOptions {
  /** The part of the measured samples that the network sees [.95: SSDiffRecon]. */
  keep?: number;
  /** Half a side of the square around zero frequency that it always sees [0: SSDiffRecon has none; SSDU takes 2]. */
  centre?: number;
}

/** 1 or 0 for each sample of k-space: what the network sees, and what is held out. They share no sample. */
export interface Split {
  readonly seen: Float32Array;
  readonly held: Float32Array;
}

/** The measured samples of a mask, floor(keep n) of them drawn to be seen, the others held out [SSDU, Yaman 2020]. */
export function splitMask(
  mask: ArrayLike<number>,
  [H, W]: readonly [number, number],
  random: Rng,
  { keep = 0.95, centre = 0 }: SplitOptions = {},
): Split {
  if (!(keep > 0 && keep < 1)) throw new RangeError(`splitMask: keep must be between 0 and 1, got ${keep}`);
  const inside = (i: number) =>
    Math.abs(Math.floor(i / W) - (H >> 1)) < centre && Math.abs((i % W) - (W >> 1)) < centre;
  const measured = Array.from({ length: H * W }, (_, i) => i).filter((i) => mask[i]);
  const free = measured.filter((i) => !inside(i));
  const count = Math.min(free.length, measured.length - Math.floor(keep * measured.length));
  const [seen, held] = [new Float32Array(H * W), new Float32Array(H * W)];
  for (const i of measured) seen[i] = 1;
  // the first of a shuffle
  for (let k = 0; k < count; k++) {
    const j = random.integer(k, free.length - 1);
    const i = free[j] as number;
    free[j] = free[k] as number;
    seen[i] = 0;
    held[i] = 1;
  }
  return { seen, held };
}

/** A batch without a truth. What the network is given, y and mask, knows nothing of what is held out. */
export type HeldOut = Omit<MriBatch, "peak" | "x"> & {
  /** Samples to be predicted, 0 elsewhere, and where they are. */
  readonly target: Tensor;
  readonly held: Tensor;
};

/** Batches whose measured samples are split anew each time: y and mask keep one part, `target` and `held` get the other. */
export function heldOut(
  data: (random: Rng) => Promise<MriBatch>,
  options: SplitOptions = {},
): (random: Rng) => Promise<HeldOut> {
  return async (random) => {
    const { x, y, mask, centre, maps, peak } = await data(random);
    const [H, W] = mask.shape as [number, number, number];
    const parts = splitMask(await mask.read(), [H, W], random, options);
    return scope(() => {
      const [seen, held] = [tensor([H, W, 1], parts.seen), tensor([H, W, 1], parts.held)];
      const batch = { y: mul(y, seen), mask: seen, centre: mul(centre, seen), maps, target: mul(y, held), held };
      for (const t of [x, y, mask, centre, peak]) t.dispose();
      return batch;
    });
  };
}

/**
 * The mean over k-space and coils of |Lambda F S x - y|, Lambda the samples held out: how well a picture [N, H, W, 2] foretells
 * what its network was not shown.
 */
export const heldOutLoss = (x: Tensor, { target, held, maps }: Pick<HeldOut, "target" | "held" | "maps">): Tensor =>
  scope(() => mean(complexAbs(lincomb(1, operatorOf({ mask: held, maps }).apply(x), -1, target))));
