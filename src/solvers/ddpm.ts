import { clamp } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { ddpmLevels, grid, type Levels } from "../diffusion/schedules.ts";
import type { Sampling, Solver } from "./solver.ts";

export interface DdpmOptions {
  steps?: number;
  /** Of the noise put back: that of the posterior of the step ("small"), or that of the process's own step ("large"). */
  variance?: "small" | "large";
  /** Holds the guess in [-1, 1], as pixel models want it. */
  clip?: boolean;
  levels?: Levels;
}

/**
 * DDPM [Ho 2020, algorithm 2]: ancestral sampling. For x = x_t/sqrt(alphaBar_t), from its level s to the next, t:
 *   x0 = D(x; s)      x = x0 + (t/s)^2 (x - x0) + q z      z ~ N(0, 1)
 *   q^2 = t^2 (1 - t^2/s^2)                small: beta_t (1 - alphaBar_{t-1})/(1 - alphaBar_t) of the printed form
 *   q^2 = (s^2 - t^2) (1 + t^2)/(1 + s^2)  large: beta_t, over alphaBar_{t-1} as x is
 * The mean is the printed c1 x0 + c2 x_t. Where steps are left out, beta is that of the process that is left.
 */
export function ddpm({
  steps = 1000,
  variance = "small",
  clip = false,
  levels = ddpmLevels(),
}: DdpmOptions = {}): Solver<Sampling> {
  return {
    name: "ddpm",
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
      const keep = (t / s) ** 2;
      const q = Math.sqrt((s * s - t * t) * (variance === "small" ? keep : (1 + t * t) / (1 + s * s)));
      return { x: lincomb(keep, x, 1 - keep, x0, q, rng.normal(x.shape)), x0, sigma: t };
    },
  };
}
