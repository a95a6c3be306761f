import { lincomb } from "../../kernels/lincomb.ts";
import { grid, type Levels, vpLevels } from "../diffusion/schedules.ts";
import { isLinear, type Operator } from "../linalg/operator.ts";
import { pinv } from "../linalg/prox_l2.ts";
import { adamMove, type Moments } from "./adam_move.ts";
import { misfit } from "./misfit.ts";
import { type Problem, pictureShape, type Solver } from "./solver.ts";

export interface RedDiffOptions {
  steps?: number;
  /** Weight of the prior, and how it goes with the level: lambda, lambda sqrt(s) or lambda s. */
  lambda?: number;
  weighting?: "constant" | "sqrt" | "linear";
  /** Weight of the measurement. */
  observed?: number;
  lr?: number;
  /** Begins at 0 in place of the pseudo-inverse. Always so where the operator has none. */
  fromZero?: boolean;
  levels?: Levels;
}

/**
 * RED-diff [Mardani 2024]: the mean m of a Gaussian around the posterior, by Adam (betas .9, .99). At each level s:
 *   eps ~ N(0, 1)      e = (m + s eps - D(m + s eps; s))/s
 *   g = 2 observed A^T (A m - y) + lambda(s) (e - eps)
 * No gradient is taken through the network. For any operator. The measurement's noise enters through the weights only.
 */
export function redDiff({
  steps = 100,
  lambda = 0.25,
  weighting = "linear",
  observed = 1,
  lr = 0.1,
  fromZero = false,
  levels = vpLevels,
}: RedDiffOptions = {}): Solver<Problem<Operator>> {
  const weight = { constant: () => 1, sqrt: Math.sqrt, linear: (s: number) => s }[weighting];
  return {
    name: "red-diff",
    steps,
    init(problem, rng) {
      const { y, A, sigmaNoise, denoiser } = problem;
      const [sigma] = grid(levels, steps, denoiser) as [number];
      const zero = lincomb(0, rng.normal(pictureShape(problem)));
      const x = isLinear(A) && !fromZero ? pinv(A, y, (2 * sigmaNoise) ** 2) : zero;
      return { x, x0: x, m: zero, v: zero, sigma };
    },
    step({ y, A, denoiser }, state, i, rng) {
      const all = grid(levels, steps, denoiser);
      const [s, t] = [all[i], all[i + 1]] as [number, number];
      const { x } = state;
      const eps = rng.normal(x.shape);
      const noisy = lincomb(1, x, s, eps);
      const x0 = denoiser(noisy, s);
      const w = lambda * weight(s);
      const g = lincomb(2 * observed, misfit(A, x, y).gradient, w / s, noisy, -w / s, x0, -w, eps);
      const { move, m, v } = adamMove(g, state as unknown as Moments, { lr, beta2: 0.99, step: i + 1 });
      return { x: lincomb(1, x, -1, move), x0, m, v, sigma: t };
    },
  };
}

/** Of the authors, and of InverseBench. */
export const redDiffPresets = {
  authors: { steps: 1000 },
  inverseBench: { steps: 1000, weighting: "constant", lr: 0.5, fromZero: true },
} satisfies Record<string, RedDiffOptions>;
