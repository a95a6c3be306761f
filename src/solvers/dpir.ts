import { geometric, grid, type Levels } from "../diffusion/schedules.ts";
import { pinv, proxL2 } from "../linalg/prox_l2.ts";
import type { Problem, Solver } from "./solver.ts";

export interface DpirOptions {
  steps?: number;
  /** Trust in the denoiser against the measurement. */
  lambda?: number;
  levels?: Levels;
  sigmaStart?: number;
  /** By default the measurement's noise. */
  sigmaEnd?: number;
}

/**
 * DPIR [Zhang 2021]: plug-and-play half-quadratic splitting. At each level s, log-spaced down to that of the noise:
 *   z = argmin |Ax - y|^2/2 + rho |z - x|^2/2          rho = lambda (sigmaNoise/s)^2
 *   x = D(z; s)
 * From x = A^T (A A^T + (2 sigmaNoise)^2)^-1 y; as published from 49/255 (of [0, 1] pictures, doubled here), in 8 steps,
 * with lambda = .23.
 */
export function dpir({
  steps = 8,
  lambda = 0.23,
  levels = geometric,
  sigmaStart = 98 / 255,
  sigmaEnd,
}: DpirOptions = {}): Solver {
  const gridFor = ({ denoiser, sigmaNoise }: Problem) => {
    const sigmaMin = Math.min(Math.max(sigmaEnd ?? sigmaNoise, denoiser.sigmaMin), denoiser.sigmaMax);
    return grid(levels, steps, { sigmaMin, sigmaMax: Math.max(sigmaMin, Math.min(sigmaStart, denoiser.sigmaMax)) });
  };
  return {
    name: "dpir",
    steps,
    init(problem) {
      const { y, A, sigmaNoise } = problem;
      const [sigma] = gridFor(problem) as [number];
      const x = pinv(A, y, (2 * sigmaNoise) ** 2);
      return { x, x0: x, sigma };
    },
    step(problem, { x }, i) {
      const { y, A, sigmaNoise, denoiser } = problem;
      const all = gridFor(problem);
      const [s, t] = [all[i], all[i + 1]] as [number, number];
      const x0 = denoiser(proxL2(A, x, y, lambda * (sigmaNoise / s) ** 2), s);
      return { x: x0, x0, sigma: t };
    },
  };
}
