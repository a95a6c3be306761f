import { lincomb } from "../../kernels/lincomb.ts";
import { ddpmTable, squareTimes } from "../diffusion/schedules.ts";
import type { Operator } from "../linalg/operator.ts";
import { type Problem, pictureShape, type Solver } from "./solver.ts";
import { type Ud2mScalar, type UnfoldedOptions, unfolded } from "./unfolded.ts";

export interface Ud2mOptions extends UnfoldedOptions {
  /** N, the steps: N K calls of the network, and N of the model where that gives the start. Published: 3. */
  steps?: number;
  /** Times of the process of 1000 steps, falling, in place of the published rule: 999, 444, 111 for three. */
  times?: readonly number[];
  /** Share of the noise put back that is fresh: .9 in the code. The paper's DDIM step has none. */
  zeta?: number;
  /** As learned. Default: 0, all of them. */
  scalars?: Partial<Readonly<Record<Ud2mScalar, number>>>;
}

/**
 * UD2M's sampler [Mbakam 2025, algorithm 1], for x = x_t/sqrt(alphaBar_t) at level s: the unfolded model L draws a picture,
 * and noise of the next level t goes back on it. The denoiser is the distilled one, adapters merged; with an ordinary one
 * this is LATINO's recursion within each step, zero-shot.
 *   x0  = L(y, x; s)                    eps = (x - x0)/s, of the x0 that is not clamped
 *   x   = x0 + t (sqrt(1 - zeta) eps + sqrt(zeta) z)              z ~ N(0, 1)
 * From x_T ~ N(0, 1) at time 999.
 */
export function ud2m({
  steps,
  times = squareTimes(steps ?? 3),
  zeta,
  scalars = {},
  ...options
}: Ud2mOptions = {}): Solver<Problem<Operator>> {
  const model = unfolded(options);
  const fresh = zeta ?? (options.mode === "paper" ? 0 : 0.9);
  const { sigma, alphaBar } = ddpmTable();
  const at = (i: number): number => times[i] as number;
  return {
    name: "ud2m",
    steps: times.length,
    init(problem, rng) {
      const x = lincomb(1 / Math.sqrt(alphaBar[at(0)] as number), rng.normal(pictureShape(problem)));
      return { x, x0: x, sigma: sigma[at(0)] as number };
    },
    step(problem, { x }, i, rng) {
      const s = sigma[at(i)] as number;
      const out = model(problem, x, at(i), rng, scalars);
      if (i === times.length - 1) return { x: out.x0, x0: out.x0, sigma: 0 };
      const t = sigma[at(i + 1)] as number;
      const keep = (t / s) * Math.sqrt(1 - fresh);
      const next = lincomb(1, out.x0, keep, x, -keep, out.x);
      return {
        x: fresh ? lincomb(1, next, t * Math.sqrt(fresh), rng.normal(x.shape)) : next,
        x0: out.x0,
        sigma: t,
      };
    },
  };
}

/**
 * What the paper tells and the code trains: K = 3 modules, N = 3 steps. Inpainting begins from the masked picture.
 * The authors' shortcuts in the prox of super-resolution (a blur in place of the whole operator, y enlarged bilinearly, a
 * complex square without its conjugate) are not here: every operator has its exact prox.
 */
export const ud2mPresets = {
  deblur: { steps: 3, modules: 3, mode: "repo", start: "adjoint" },
  superResolution: { steps: 3, modules: 3, mode: "repo", start: "pinv" },
  inpaint: { steps: 3, modules: 3, mode: "repo", start: "adjoint", inpainting: true },
  boxInpaint: { steps: 5, modules: 3, mode: "repo", start: "adjoint", inpainting: true },
  jpeg: { steps: 3, modules: 3, mode: "repo", start: "adjoint" },
  withRam: { steps: 3, modules: 3, mode: "repo", start: "model" },
} satisfies Record<string, Ud2mOptions>;
