import { keep, sub } from "../../kernels/broadcast.ts";
import { affine, relu, square } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { mean } from "../../kernels/reduce.ts";
import { isLinear, type Operator } from "../linalg/operator.ts";
import { pinv } from "../linalg/prox_l2.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { adamMove, type Moments } from "./adam_move.ts";
import { misfit } from "./misfit.ts";
import { type Problem, pictureShape, type Solver } from "./solver.ts";

export interface PnpGdOptions {
  /** At most: a picture that has come to rest no longer moves, though its steps are still taken. */
  steps?: number;
  /** Weight of the prior. */
  lambda?: number;
  /** The level at which the denoiser is asked; by default the measurement's noise. */
  sigma?: number;
  lr?: number;
  /** Begins at 2 z, z ~ N(0, 1), in place of the pseudo-inverse. Always so where the operator has none. */
  fromNoise?: boolean;
  /** At rest: a step of Adam whose mean square is less. */
  tolerance?: number;
  /** Adds to the exponent of Adam's bias corrections. */
  late?: number;
}

/**
 * Plug-and-play gradient descent by Adam: the MAP map of [MUPET, eq. 3], with the score at one level s.
 *   g = A^T (A x - y) + lambda (sigmaNoise/s)^2 (x - D(x; s))        which is sigmaNoise^2 times the gradient of
 *       |A x - y|^2/(2 sigmaNoise^2) - lambda log p_s(x)
 *   x = x - Adam(g)
 * For any operator with a gradient. The published start and rates, .5 + z and .05 of [0, 1], are doubled here. By the published
 * rule it comes to rest .2 (root mean square) from the MAP of the toy; a smaller tolerance, or its absence, goes all the way.
 */
export function pnpGd({
  steps = 500,
  lambda = 1,
  sigma,
  lr = 0.1,
  fromNoise = false,
  tolerance = 2e-4,
  late = 0,
}: PnpGdOptions = {}): Solver<Problem<Operator>> {
  return {
    name: "pnp-gd",
    steps,
    init(problem, rng) {
      const { y, A, sigmaNoise } = problem;
      const noise = lincomb(2, rng.normal(pictureShape(problem)));
      const x = isLinear(A) && !fromNoise ? pinv(A, y, (2 * sigmaNoise) ** 2) : noise;
      const still = lincomb(0, x);
      const active = affine(mean(still, { axes: [1, 2, 3], keep: true }), 0, 1);
      return { x, x0: x, sigma: sigmaNoise, m: still, v: still, active };
    },
    step({ y, A, sigmaNoise, denoiser }, state, i) {
      const s = Math.min(Math.max(sigma ?? sigmaNoise, denoiser.sigmaMin), denoiser.sigmaMax);
      const { x } = state;
      const weight = lambda * (sigmaNoise / s) ** 2;
      const g = lincomb(1, misfit(A, x, y).gradient, weight, x, -weight, denoiser(x, s));
      const { move, m, v } = adamMove(g, state as unknown as Moments, { lr, step: i + 1 + late });
      const active = state.active as Tensor;
      const next = sub(x, keep(active, move));
      const restless = relu(affine(mean(square(move), { axes: [1, 2, 3], keep: true }), 1, -tolerance));
      return { x: next, x0: next, sigma: s, m, v, active: keep(active, restless) };
    },
  };
}

/** As published: from noise, and the bias corrections count one step too many. */
export const pnpGdPresets = { mupet: { fromNoise: true, late: 1 } } satisfies Record<string, PnpGdOptions>;
