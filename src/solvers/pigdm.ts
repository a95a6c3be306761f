import { lincomb } from "../../kernels/lincomb.ts";
import { vjp } from "../autograd/vjp.ts";
import { ddpmLevels, grid, type Levels } from "../diffusion/schedules.ts";
import { pinv } from "../linalg/prox_l2.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { pictureShape, type Solver } from "./solver.ts";

export interface PigdmOptions {
  steps?: number;
  levels?: Levels;
  /** Share of the noise put back that is fresh. */
  eta?: number;
}

/**
 * PiGDM [Song 2023, algorithm 1]: the picture behind x is taken for a Gaussian around the guess, of variance r^2, which
 * tells the gradient of log p(y | x); the network is run once forward and once backward.
 *   x0 = D(x; s)      g = (dx0/dx)^T A^T (A A^T + sigmaNoise^2/r^2)^-1 (y - A x0)      r^2 = s^2/(1 + s^2)
 *   x  = x0 + t (sqrt(1 - eta^2) eps + eta z) + g                                      eps = (x - x0)/s,  z ~ N(0, 1)
 */
export function pigdm({ steps = 100, levels = ddpmLevels(), eta = 1 }: PigdmOptions = {}): Solver {
  return {
    name: "pigdm",
    steps,
    init(problem, rng) {
      const [sigma] = grid(levels, steps, problem.denoiser) as [number];
      const x = lincomb(sigma, rng.normal(pictureShape(problem)));
      return { x, x0: x, sigma };
    },
    step({ y, A, sigmaNoise, denoiser }, { x }, i, rng) {
      const all = grid(levels, steps, denoiser);
      const [s, t] = [all[i], all[i + 1]] as [number, number];
      const { value: x0, pullback } = vjp((v: Tensor) => denoiser(v, s), x);
      const eta2 = sigmaNoise ** 2 * (1 + 1 / (s * s));
      const [g] = pullback(pinv(A, lincomb(1, y, -1, A.apply(x0)), eta2));
      const keep = (t / s) * Math.sqrt(1 - eta * eta);
      const next = lincomb(keep, x, 1 - keep, x0, 1, g);
      return { x: t && eta ? lincomb(1, next, t * eta, rng.normal(x.shape)) : next, x0, sigma: t };
    },
  };
}
