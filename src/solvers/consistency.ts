import { lincomb } from "../../kernels/lincomb.ts";
import { grid, karras, type Levels, type Range } from "../diffusion/schedules.ts";
import type { Sampling, Solver } from "./solver.ts";

export interface ConsistencyOptions {
  steps?: number;
  levels?: Levels;
}

/** So many of the 40 levels that consistency models are trained at, evenly spaced from the first. */
export const consistencyLevels = (steps: number, range: Range): number[] => {
  const trained = karras(40, range);
  return Array.from({ length: steps }, (_, i) => trained[Math.round((39 * i) / steps)] as number);
};

/**
 * Multistep sampling of a consistency model f, which takes x of any level to the picture [Song 2023, algorithm 1]:
 *   x0 = f(x; s)      x = x0 + sqrt(t^2 - sigmaMin^2) z,  z ~ N(0, 1)
 * The denoiser must be such a model (`precondition.consistency`): of an ordinary one the same steps give its blurred guess.
 */
export function consistency({ steps = 2, levels = consistencyLevels }: ConsistencyOptions = {}): Solver<Sampling> {
  return {
    name: "consistency",
    steps,
    init({ denoiser, shape }, rng) {
      const [sigma] = grid(levels, steps, denoiser) as [number];
      const x = lincomb(sigma, rng.normal(shape));
      return { x, x0: x, sigma };
    },
    step({ denoiser }, { x }, i, rng) {
      const all = grid(levels, steps, denoiser);
      const [s, t] = [all[i], all[i + 1]] as [number, number];
      const x0 = denoiser(x, s);
      if (t === 0) return { x: x0, x0, sigma: 0 };
      const noise = Math.sqrt(Math.max(0, t * t - denoiser.sigmaMin ** 2));
      return { x: lincomb(1, x0, noise, rng.normal(x.shape)), x0, sigma: t };
    },
  };
}
