import { square } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import type { Rng } from "../../kernels/random.ts";
import { mean } from "../../kernels/reduce.ts";
import { combine, type Denoiser, eachSigma, type Sigma, times } from "../diffusion/denoiser.ts";
import type { Range } from "../diffusion/schedules.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Recipe } from "./recipe.ts";
import type { Trained } from "./trained.ts";

/**
 * The levels at which a denoiser is trained, drawn for n pictures.
 *   "log-uniform"   s = sMin (sMax/sMin)^t,  t ~ U(1e-5, 1), for each picture [score_sde]
 *   "mupet"         one level for all: with u = s/2,  u = (uMax - uMin + 1)^r - 1 + uMin,  r ~ U(0, 1) [MUPET, eq. 11, where
 *                   pictures are in [0, 1]]
 */
export type LevelRule = "log-uniform" | "mupet";
export function drawLevels(
  rule: LevelRule,
  { sigmaMin: low, sigmaMax: high }: Range,
  n: number,
  random: Rng,
): readonly number[] {
  if (rule === "log-uniform")
    return Array.from({ length: n }, () => low * (high / low) ** (1e-5 + (1 - 1e-5) * random.number()));
  const s = 2 * (((high - low) / 2 + 1) ** random.number() - 1 + low / 2);
  return new Array<number>(n).fill(s);
}

/**
 * Denoising score matching at given levels [Vincent 2011; Song 2021, eq. 7; MUPET, eq. 5]:
 *   x = x0 + s z,  z ~ N(0, 1)      mean of (s score(x; s) + z)^2 = mean of (D(x; s) - x0)^2/s^2      as D = x + s^2 score
 * The mean is over pictures and pixels; score_sde sums over pixels and halves.
 */
export const dsmLoss = (D: Denoiser, x0: Tensor, sigma: Sigma, random: Rng): Tensor =>
  scope(() => relative(D(combine(1, x0, sigma, random.normal(x0.shape)), sigma), x0, sigma));

/** mean of (x - x0)^2/s^2. */
export const relative = (x: Tensor, x0: Tensor, sigma: Sigma): Tensor =>
  scope(() =>
    mean(
      square(
        times(
          eachSigma(sigma, (s) => 1 / s),
          lincomb(1, x, -1, x0),
        ),
      ),
    ),
  );

export interface DsmOptions extends Partial<Range> {
  /** Default: score_sde's, for each picture its own. */
  levels?: LevelRule;
}

export interface DsmTraining {
  readonly trained: Trained;
  /** Pictures [N, H, W, C] in [-1, 1]. */
  images(random: Rng): Promise<Tensor>;
}

/** A denoiser trained by denoising alone, at levels from `sigmaMin` to `sigmaMax`, by default all that it knows. */
export function dsm(
  { trained, images }: DsmTraining,
  { levels = "log-uniform", ...bounds }: DsmOptions = {},
): Recipe<{
  x0: Tensor;
}> {
  return {
    name: "dsm",
    init: trained.init,
    batch: async (random) => ({ x0: await images(random) }),
    loss(params, { x0 }, { random }) {
      const D = trained.denoiser(params);
      // drawn as MUPET draws its own, so that the two can be compared step by step
      const sigma = drawLevels(levels, within(D, bounds), x0.shape[0] as number, random.fork(0));
      return dsmLoss(D, x0, sigma, random.fork(4));
    },
  };
}

/** The levels asked for, or those that the denoiser knows. */
export const within = (D: Denoiser, { sigmaMin = D.sigmaMin, sigmaMax = D.sigmaMax }: Partial<Range>): Range => {
  if (!(sigmaMin > 0 && sigmaMax >= sigmaMin))
    throw new RangeError(`levels: 0 < sigmaMin <= sigmaMax expected, got ${sigmaMin} and ${sigmaMax}`);
  return { sigmaMin, sigmaMax };
};
