import { clamp } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { ddpmLevels, grid, type Levels } from "../diffusion/schedules.ts";
import type { Operator } from "../linalg/operator.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type DataSteps, lengthOf } from "./ddiff.ts";
import { misfit, over } from "./misfit.ts";
import { type Problem, pictureShape, type Solver } from "./solver.ts";

export interface DiffPnpOptions extends DataSteps {
  steps?: number;
  levels?: Levels;
  /** Holds the denoiser's guess in [-1, 1]. */
  clip?: boolean;
}

function diffPnp(
  name: string,
  dual: boolean,
  { steps = 1000, levels = ddpmLevels(), clip = true, ...lengths }: DiffPnpOptions,
): Solver<Problem<Operator>> {
  return {
    name,
    steps,
    init(problem, rng) {
      const [sigma] = grid(levels, steps, problem.denoiser) as [number];
      const x = rng.normal(pictureShape(problem));
      return { x, x0: x, sigma, ...(dual && { u: lincomb(0, x) }) };
    },
    step({ y, A, denoiser }, state, i) {
      const { x, u } = state as typeof state & { u?: Tensor };
      const all = grid(levels, steps, denoiser);
      const [s, t] = [all[i], all[i + 1]] as [number, number];
      // x + u goes in as if it were x_t = x_ve/sqrt(1 + s^2)
      const k = Math.sqrt(1 + s * s);
      const guess = denoiser(u ? lincomb(k, x, k, u) : lincomb(k, x), s);
      const z = clip ? clamp(guess, -1, 1) : guess;
      const v = u ? lincomb(1, z, -1, u) : z;
      const { gradient } = misfit(A, v, y);
      const next = lincomb(1, v, -lengthOf(lengths, A, s), over(gradient, gradient));
      return { x: next, x0: z, sigma: t, ...(u && { u: lincomb(1, u, 1, next, -1, z) }) };
    },
  };
}

/**
 * Diff-PnP-ADMM [S2, eq. 8], the ablation of DDiff that never puts noise back, so that the network soon sees what it was
 * not trained on. Not in the authors' code; from their equation.
 *   z = D(sqrt(1 + s^2) (x + u); s)      x = z - u - gamma g/|g|,  g = J^T (A(z - u) - y)      u = u + x - z
 */
export const diffPnpAdmm = (options: DiffPnpOptions = {}): Solver<Problem<Operator>> =>
  diffPnp("diff-pnp-admm", true, options);

/** The same without the dual variable: u = 0. */
export const diffPnpHqs = (options: DiffPnpOptions = {}): Solver<Problem<Operator>> =>
  diffPnp("diff-pnp-hqs", false, options);
