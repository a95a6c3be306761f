import { lincomb } from "../../kernels/lincomb.ts";
import { ddpmLevels, grid, type Levels } from "../diffusion/schedules.ts";
import { slopeOf } from "../linalg/operator.ts";
import { proxL2 } from "../linalg/prox_l2.ts";
import { pictureShape, type Solver } from "./solver.ts";

export interface DdsOptions {
  steps?: number;
  levels?: Levels;
  /** Share of the noise put back that is fresh. */
  eta?: number;
  /** Trust in the measurement against the denoiser; Infinity for one without noise. */
  gamma?: number;
  /** Takes gamma for that of an operator of norm 1, and divides it by the square of this one's, where that is known. */
  bySlope?: boolean;
  /** Of conjugate gradients, where the operator has no closed form. */
  iterations?: number;
}

/**
 * DDS [Chung 2024, algorithm 1]: the guess is moved a few conjugate gradients towards the measurement, between steps of DDIM.
 *   x0  = D(x; s)     x0' = argmin gamma |Ax - y|^2/2 + |x - x0|^2/2, from x0
 *   x   = x0' + t (eta z + sqrt(1 - eta^2) eps)      eps = (x - x0)/s, of the guess as it was;  z ~ N(0, 1)
 * gamma is as published the same at all levels. The products within conjugate gradients are conjugated; the authors' are not.
 */
export function dds({
  steps = 50,
  levels = ddpmLevels(),
  eta = 0.85,
  gamma = 1,
  bySlope = false,
  iterations = 5,
}: DdsOptions = {}): Solver {
  return {
    name: "dds",
    steps,
    init(problem, rng) {
      const [sigma] = grid(levels, steps, problem.denoiser) as [number];
      const x = lincomb(sigma, rng.normal(pictureShape(problem)));
      return { x, x0: x, sigma };
    },
    step({ y, A, denoiser }, { x }, i, rng) {
      const all = grid(levels, steps, denoiser);
      const [s, t] = [all[i], all[i + 1]] as [number, number];
      const guess = denoiser(x, s);
      const x0 = proxL2(A, guess, y, (bySlope ? slopeOf(A) ** 2 : 1) / gamma, { iterations, tol: 1e-5 });
      if (t === 0) return { x: x0, x0, sigma: 0 };
      const keep = (t / s) * Math.sqrt(1 - eta * eta);
      return { x: lincomb(1, x0, keep, x, -keep, guess, eta * t, rng.normal(x.shape)), x0, sigma: t };
    },
  };
}
