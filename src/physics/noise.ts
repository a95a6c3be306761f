import { cast } from "../../kernels/cast.ts";
import { affine, relu } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { poisson } from "../../kernels/poisson.ts";
import type { Rng } from "../../kernels/random.ts";
import { white } from "../linalg/dot_test.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** The pictures that a noise level is a level of: "unit" pictures span [0, 1], "signed" ones, all of ours, [-1, 1]. */
export type SigmaRange = "unit" | "signed";

/** A noise level of either range in signed units: twice as large a number as in unit ones. */
export const signedSigma = (sigma: number, range: SigmaRange): number => (range === "unit" ? 2 * sigma : sigma);

/** Which pictures the noise levels are of that the papers print: "0.05" of DDRM is twice that of DPS. */
export const publishedSigmaRange = {
  dps: "signed",
  daps: "signed",
  ddiff: "signed",
  "pnp-edm": "signed",
  cosign: "signed",
  ddrm: "unit",
  ddnm: "unit",
  cm4ir: "unit",
  ud2m: "unit",
  latino: "unit",
  diffpir: "unit",
  mupet: "unit",
  "diff-unfolding": "unit",
} as const satisfies Record<string, SigmaRange>;

/** y + sigma n, n ~ N(0, 1); of complex y both parts. sigma in signed units, unless `range` says "unit", which doubles it. */
export function addNoise(
  y: Tensor,
  sigma: number,
  rng: Rng,
  { range = "signed" }: { range?: SigmaRange } = {},
): Tensor {
  if (!(sigma >= 0 && sigma < Number.POSITIVE_INFINITY))
    throw new RangeError(`addNoise: sigma must be 0 or more, got ${sigma}`);
  return scope(() => {
    const wide = y.dtype === "c64" ? y : cast(y, "f32");
    return lincomb(1, wide, signedSigma(sigma, range), white(rng, y.shape, wide.dtype));
  });
}

/**
 * What counting light leaves of a picture in [-1, 1]: y = 2 Poisson(peak u)/peak - 1, u = (y + 1)/2, where white is `peak`
 * photons. Nothing is darker than black. Its standard deviation in signed units is 2 sqrt(u/peak). DPS: peak 255 times its rate.
 */
export function poissonNoise(y: Tensor, peak: number, rng: Rng): Tensor {
  if (!(peak > 0 && peak < Number.POSITIVE_INFINITY))
    throw new RangeError(`poissonNoise: peak must be a number of photons above 0, got ${peak}`);
  return scope(() => {
    const photons = relu(affine(cast(y, "f32"), peak / 2, peak / 2));
    return affine(poisson(photons, rng), 2 / peak, -1);
  });
}

/** A noise model: none, Gaussian with its level and the range that this is of, or Poisson with the photons of white. */
export type Noise = "none" | { gaussian: number; range: SigmaRange } | { poisson: number };

/** A measurement with noise of this model. */
export function corrupted(y: Tensor, noise: Noise, rng: Rng): Tensor {
  if (noise === "none") return lincomb(1, y);
  return "poisson" in noise ? poissonNoise(y, noise.poisson, rng) : addNoise(y, noise.gaussian, rng, noise);
}
