import { lincomb } from "../../kernels/lincomb.ts";
import { geometric, grid, type Levels } from "../diffusion/schedules.ts";
import { pinv, proxL2 } from "../linalg/prox_l2.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Problem, Solver } from "./solver.ts";

export interface PnpAdmmOptions {
  steps?: number;
  /** Trust in the denoiser against the measurement; 1 weighs them as Bayes would. */
  lambda?: number;
  levels?: Levels;
  /** The first level and, unless it is above that, the last; equal ones keep the level, and then it converges. */
  sigmaStart?: number;
  sigmaEnd?: number;
}

/**
 * Plug-and-play ADMM [Venkatakrishnan 2013; falling levels: Chan 2017]. At each level s:
 *   x = argmin |Ax - y|^2/2 + rho |x - (v - u)|^2/2          rho = lambda (sigmaNoise/s)^2
 *   v = D(x + u; s)           u = u + x - v,  times (t/s)^2 for the next level t: rho u is the multiplier, and stays
 * Where it comes to rest, A^T (y - A v) = rho u and v = D(v + u; s). Begins at v = A^T (A A^T + (2 sigmaNoise)^2)^-1 y, u = 0.
 */
export function pnpAdmm({
  steps = 30,
  lambda = 1,
  levels = geometric,
  sigmaStart = 0.4,
  sigmaEnd = 0.1,
}: PnpAdmmOptions = {}): Solver {
  const gridFor = ({ denoiser }: Problem) => {
    const sigmaMax = Math.min(sigmaStart, denoiser.sigmaMax);
    return grid(levels, steps, { sigmaMax, sigmaMin: Math.min(sigmaMax, Math.max(sigmaEnd, denoiser.sigmaMin)) });
  };
  return {
    name: "pnp-admm",
    steps,
    init(problem) {
      const { y, A, sigmaNoise } = problem;
      const [sigma] = gridFor(problem) as [number];
      const x = pinv(A, y, (2 * sigmaNoise) ** 2);
      return { x, x0: x, u: lincomb(0, x), sigma };
    },
    step(problem, state, i) {
      const { y, A, sigmaNoise, denoiser } = problem;
      const all = gridFor(problem);
      const [s, t] = [all[i], all[i + 1]] as [number, number];
      const u = state.u as Tensor;
      const x = proxL2(A, lincomb(1, state.x0, -1, u), y, lambda * (sigmaNoise / s) ** 2);
      const sum = lincomb(1, x, 1, u);
      const v = denoiser(sum, s);
      const change = t === 0 ? 1 : (t / s) ** 2;
      return { x: v, x0: v, u: lincomb(change, sum, -change, v), sigma: t };
    },
  };
}
