import { clamp } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { ddpmLevels, grid, type Levels } from "../diffusion/schedules.ts";
import type { Sampling, Solver } from "./solver.ts";

export interface DdimOptions {
  steps?: number;
  /** 0: deterministic. 1: ancestral sampling; over all 1000 levels that is DDPM with its smaller variance. */
  eta?: number;
  /** Holds the guess in [-1, 1], as pixel models want it. */
  clip?: boolean;
  levels?: Levels;
}

/**
 * DDIM [Song 2021, eq. 12], for x = x_t/sqrt(alphaBar_t), whose level is s = sqrt(1 - alphaBar_t)/sqrt(alphaBar_t):
 *   x0 = D(x; s)        eps = (x - x0)/s
 *   x  = x0 + sqrt(t^2 - c^2) eps + c z        c = eta t sqrt(1 - t^2/s^2),  z ~ N(0, 1)
 * Dividing by sqrt(alphaBar) is all that separates this from the printed form, so any grid of levels will do.
 */
export function ddim({ steps = 50, eta = 0, clip = false, levels = ddpmLevels() }: DdimOptions = {}): Solver<Sampling> {
  return {
    name: "ddim",
    steps,
    init({ denoiser, shape }, rng) {
      const [sigma] = grid(levels, steps, denoiser) as [number];
      const x = lincomb(sigma, rng.normal(shape));
      return { x, x0: x, sigma };
    },
    step({ denoiser }, { x }, i, rng) {
      const all = grid(levels, steps, denoiser);
      const [s, t] = [all[i], all[i + 1]] as [number, number];
      const guess = denoiser(x, s);
      const x0 = clip ? clamp(guess, -1, 1) : guess;
      if (t === 0) return { x: x0, x0, sigma: 0 };
      const c = eta * t * Math.sqrt(1 - (t / s) ** 2);
      const keep = Math.sqrt(t * t - c * c) / s;
      const next = c ? lincomb(keep, x, 1 - keep, x0, c, rng.normal(x.shape)) : lincomb(keep, x, 1 - keep, x0);
      return { x: next, x0, sigma: t };
    },
  };
}
