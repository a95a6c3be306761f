import { pinv } from "../linalg/prox_l2.ts";
import type { Solver } from "./solver.ts";

/**
 * One call of the denoiser: the posterior mean, the best there is in PSNR.
 *   x = D(y; sigmaNoise)                 for A = I; elsewhere the denoiser only smooths A's pseudo-inverse
 */
export function denoise(): Solver {
  return {
    name: "denoise",
    steps: 1,
    init({ y, A, sigmaNoise }) {
      const x = pinv(A, y, 0);
      return { x, x0: x, sigma: sigmaNoise };
    },
    step({ denoiser, sigmaNoise }, { x }) {
      const x0 = denoiser(x, Math.max(sigmaNoise, denoiser.sigmaMin));
      return { x: x0, x0, sigma: 0 };
    },
  };
}
