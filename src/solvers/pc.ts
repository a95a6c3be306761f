import { div, mul } from "../../kernels/broadcast.ts";
import { sqrt } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { sumSquares } from "../../kernels/reduce.ts";
import { ddpmLevels, geometric, grid, type Levels } from "../diffusion/schedules.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Sampling, Solver } from "./solver.ts";

export interface PcOptions {
  steps?: number;
  /** Langevin steps at each level, and their signal-to-noise ratio. */
  corrections?: number;
  snr?: number;
  predictor?: "reverse" | "ancestral";
  /** The process whose steps are reversed: variance-exploding or variance-preserving. */
  process?: "ve" | "vp";
  /** Which comes first. After the predictor, corrections are made at the level it went to, and the last step denoises. */
  first?: "corrector" | "predictor";
  /** Of |z| and |g| in the corrector: each picture's own, or one for the whole batch, which lets its pictures see each other. */
  norms?: "picture" | "batch";
  levels?: Levels;
}

/** |x| of each picture, or of all. */
const norm = (x: Tensor, of: "picture" | "batch") =>
  sqrt(sumSquares(x, { axes: of === "batch" ? [0, 1, 2, 3] : [1, 2, 3], keep: true }));

/**
 * Predictor-corrector sampler [Song 2021, algorithms 2 to 5]. At each level s, with the score g = (D(x; s) - x)/s^2:
 *   corrector    x = x + e g + sqrt(2 e) z              e = 2 a^2 (snr |z|/|g|)^2, norms per sample (published: batch means)
 *   predictor    m = x + (s^2 - t^2) g                  x = m + q z       q = a sqrt(s^2 - t^2); the last step keeps m
 * Variance-exploding: a = 1, and the ancestral predictor has t/s in its place in q.
 * Variance-preserving, for x = x_t/sqrt(alphaBar_t): a^2 = (1 + t^2)/(1 + s^2), the alpha_t of the printed form; the
 * reverse-diffusion predictor's mean is a ((2 - a) x + (s^2 - t^2) g).
 */
export function pc({
  steps = 1000,
  corrections = 1,
  snr = 0.16,
  predictor = "reverse",
  process = "ve",
  first = "corrector",
  norms = "picture",
  levels = process === "ve" ? geometric : ddpmLevels(),
}: PcOptions = {}): Solver<Sampling> {
  if (first === "predictor" && process !== "ve")
    throw new TypeError(
      'pc: the predictor goes first in the variance-exploding process only; leave out first: "predictor"',
    );
  return {
    name: "pc",
    steps,
    init({ denoiser, shape }, rng) {
      const [sigma] = grid(levels, steps, denoiser) as [number];
      const x = lincomb(sigma, rng.normal(shape));
      return { x, x0: x, sigma };
    },
    step({ denoiser }, state, i, rng) {
      const all = grid(levels, steps, denoiser);
      const [s, t] = [all[i], all[i + 1]] as [number, number];
      const a = process === "ve" ? 1 : Math.sqrt((1 + t * t) / (1 + s * s));
      const corrected = (from: Tensor, level: number): Tensor => {
        let x = from;
        for (let k = 0; k < corrections; k++) {
          const g = lincomb(1 / level ** 2, denoiser(x, level), -1 / level ** 2, x);
          const z = rng.normal(x.shape);
          const ratio = lincomb(a * snr, div(norm(z, norms), norm(g, norms)));
          x = lincomb(1, x, 2, mul(mul(ratio, ratio), g), 2, mul(ratio, z));
        }
        return x;
      };
      const x = first === "corrector" ? corrected(state.x, s) : state.x;
      const x0 = denoiser(x, s);
      if (t === 0 && first === "predictor") return { x: x0, x0, sigma: 0 };
      const w = 1 - (t / s) ** 2; // (s^2 - t^2) g = w (x0 - x)
      const [f, h] = predictor === "reverse" ? [a * (2 - a), a] : [1, 1];
      const mean = lincomb(f - h * w, x, h * w, x0);
      if (t === 0) return { x: mean, x0, sigma: 0 };
      const q = Math.sqrt(s * s - t * t) * (predictor === "ancestral" && process === "ve" ? t / s : a);
      const next = lincomb(1, mean, q, rng.normal(x.shape));
      return { x: first === "predictor" ? corrected(next, t) : next, x0, sigma: t };
    },
  };
}

/**
 * Published settings for the variance-exploding process. score_sde takes the means over the batch of |z| and of |g|; here each
 * picture has its own. `mupet` is what [MUPET] samples the prior by: the predictor first, norms over the batch, no last mean
 * but a denoised picture.
 */
export const pcPresets = {
  cifar10: { steps: 1000, snr: 0.16 },
  bedroom256: { steps: 2000, snr: 0.075 },
  mupetCifar10: { steps: 1000, snr: 0.16, first: "predictor", norms: "batch" },
  mupetBedroom256: { steps: 2000, snr: 0.075, first: "predictor", norms: "batch" },
} as const satisfies Record<string, PcOptions>;
