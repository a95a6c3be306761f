import { div, mul } from "../../kernels/broadcast.ts";
import { sqrt } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { sumSquares } from "../../kernels/reduce.ts";
import { geometric, grid, type Levels } from "../diffusion/schedules.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Sampling, Solver } from "./solver.ts";

export interface PcOptions {
  steps?: number;
  /** Langevin steps at each level, and their signal-to-noise ratio. */
  corrections?: number;
  snr?: number;
  predictor?: "reverse" | "ancestral";
  levels?: Levels;
}

/** |x| of each sample. */
const norms = (x: Tensor) => sqrt(sumSquares(x, { axes: [1, 2, 3], keep: true }));

/**
 * Predictor-corrector sampler of the variance-exploding process [Song 2021, algorithms 2 and 4]. At each level s, with
 * the score g = (D(x; s) - x)/s^2:
 *   corrector    x = x + e g + sqrt(2 e) z              e = 2 (snr |z|/|g|)^2, norms per sample (published: batch means)
 *   predictor    m = x + (s^2 - t^2) g                  x = m + q z
 *                q = sqrt(s^2 - t^2) reverse diffusion, t sqrt(s^2 - t^2)/s ancestral; the last step keeps m
 */
export function pc({
  steps = 1000,
  corrections = 1,
  snr = 0.16,
  predictor = "reverse",
  levels = geometric,
}: PcOptions = {}): Solver<Sampling> {
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
      let { x } = state;
      for (let k = 0; k < corrections; k++) {
        const g = lincomb(1 / s ** 2, denoiser(x, s), -1 / s ** 2, x);
        const z = rng.normal(x.shape);
        const ratio = lincomb(snr, div(norms(z), norms(g)));
        x = lincomb(1, x, 2, mul(mul(ratio, ratio), g), 2, mul(ratio, z));
      }
      const x0 = denoiser(x, s);
      if (t === 0) return { x: x0, x0, sigma: 0 };
      const w = 1 - (t / s) ** 2; // (s^2 - t^2) g = w (x0 - x)
      const mean = lincomb(1 - w, x, w, x0);
      const q = Math.sqrt(s * s - t * t) * (predictor === "ancestral" ? t / s : 1);
      return { x: lincomb(1, mean, q, rng.normal(x.shape)), x0, sigma: t };
    },
  };
}
