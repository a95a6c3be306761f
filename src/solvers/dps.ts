import { clamp } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { vjp } from "../autograd/vjp.ts";
import { ddpmLevels, grid, type Levels } from "../diffusion/schedules.ts";
import type { Operator } from "../linalg/operator.ts";
import { sizeOf } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { misfit, over } from "./misfit.ts";
import { type Problem, pictureShape, type Solver } from "./solver.ts";

export interface DpsOptions {
  steps?: number;
  levels?: Levels;
  /** Step down the misfit, for colour pictures of 256 x 256; for others it moves each pixel as far. */
  zeta?: number;
  /** Holds the guess in [-1, 1]; where it is held no gradient flows. */
  clip?: boolean;
}

/**
 * DPS [Chung 2023, algorithm 1], for any operator: one step of DDPM, and down the misfit of the guess through the network,
 * which is run once forward and once backward.
 *   x0 = D(x; s)      L = |A(x0) - y|, a norm, of each sample
 *   x  = (t/s)^2 x + (1 - (t/s)^2) x0 + t sqrt(1 - (t/s)^2) z - zeta sqrt((1 + s^2)(1 + t^2)) dL/dx,  z ~ N(0, 1)
 * The root turns the published step on x_t, and its gradient, into x = x_t/sqrt(alphaBar_t). The noise is DDPM's smaller
 * variance; published networks learn theirs, and a denoiser tells none.
 */
export function dps({
  steps = 1000,
  levels = ddpmLevels(),
  zeta = 0.3,
  clip = true,
}: DpsOptions = {}): Solver<Problem<Operator>> {
  return {
    name: "dps",
    steps,
    init(problem, rng) {
      const [sigma] = grid(levels, steps, problem.denoiser) as [number];
      const x = lincomb(sigma, rng.normal(pictureShape(problem)));
      return { x, x0: x, sigma };
    },
    step({ y, A, denoiser }, { x }, i, rng) {
      const all = grid(levels, steps, denoiser);
      const [s, t] = [all[i], all[i + 1]] as [number, number];
      const guess = (v: Tensor) => (clip ? clamp(denoiser(v, s), -1, 1) : denoiser(v, s));
      const { value: x0, pullback } = vjp(guess, x);
      const { r, gradient } = misfit(A, x0, y);
      const [slope] = pullback(over(gradient, r));
      const keep = (t / s) ** 2;
      const rate = zeta * Math.sqrt((1 + s * s) * (1 + t * t) * (sizeOf(A.domain) / (256 * 256 * 3)));
      const next = lincomb(keep, x, 1 - keep, x0, -rate, slope);
      const x1 = t ? lincomb(1, next, t * Math.sqrt(1 - keep), rng.normal(x.shape)) : next;
      return { x: x1, x0, sigma: t };
    },
  };
}

/** Published steps, sigmaNoise .05. */
export const dpsPresets = {
  superResolution: { zeta: 0.3 },
  deblur: { zeta: 0.3 },
  motion: { zeta: 0.3 },
  nonlinear: { zeta: 0.3 },
  inpaint: { zeta: 0.5 },
  phase: { zeta: 1 },
} satisfies Record<string, DpsOptions>;
