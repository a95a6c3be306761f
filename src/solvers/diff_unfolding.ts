import { lincomb } from "../../kernels/lincomb.ts";
import type { Rng } from "../../kernels/random.ts";
import type { Denoiser, Reconstructor, Sigma } from "../diffusion/denoiser.ts";
import { geometric, iddpmLevels, karras, type Range, vpLevels } from "../diffusion/schedules.ts";
import { white } from "../linalg/dot_test.ts";
import type { LinearOperator } from "../linalg/operator.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type EdmOptions, edm } from "./edm.ts";
import { type Problem, pictureShape, type Solver, type State } from "./solver.ts";

/** A `model` may say which levels it knows, and which of them it was trained at. */
type Model = Reconstructor & Partial<Range & Pick<Denoiser, "round">>;

/**
 * Draws from the posterior with its own denoiser D(x_t, y; s) = E[x | x_t, y], the problem's `model`: Diff-Unfolding
 * [Wang 2025, algorithm 2] and conditional EDM. x_T = s_T z, then EDM's steps with d = (x - D(x, y; s))/s; see `edm`.
 * Any operator that the model takes will do, trained on or not. The denoiser is not asked. 18 Euler steps, 18 calls of the
 * model, are Diff-Unfolding's NFE; cEDM's is 35, by Heun's method.
 */
export function diffUnfolding({
  steps = 18,
  method = "euler",
  ...options
}: EdmOptions = {}): Solver<Problem<LinearOperator>> {
  const inner = edm({ steps, method, ...options });
  return {
    name: "diff-unfolding",
    steps: inner.steps,
    init(problem, rng) {
      const { A } = problem;
      const shape = pictureShape(problem);
      const { sigma } = inner.init({ denoiser: posterior(problem), shape }, rng.fork(0)) as State & { sigma: number };
      const x = lincomb(sigma, white(rng, shape, A.domainType));
      return { x, x0: x, sigma };
    },
    step: (problem, state, i, rng) =>
      inner.step({ denoiser: posterior(problem), shape: state.x.shape }, state, i, likeDomain(rng, problem.A)),
  };
}

/** cEDM's own setting. */
export const cedm = (options: EdmOptions = {}): Solver<Problem<LinearOperator>> => ({
  ...diffUnfolding({ method: "heun", ...options }),
  name: "cedm",
});

/** The grids of the four processes, for models whose R is preconditioned so [Karras 2022, table 1]. */
export const diffUnfoldingPresets = {
  edm: { steps: 18, levels: karras },
  vp: { steps: 18, levels: vpLevels, sigmaMin: 0, sigmaMax: Number.POSITIVE_INFINITY },
  ve: { steps: 18, levels: geometric, sigmaMin: 0.02, sigmaMax: 100 },
  iddpm: { steps: 18, levels: iddpmLevels, sigmaMax: 81 },
} as const satisfies Record<string, EdmOptions>;

/** The model as a denoiser of this one measurement. */
function posterior({ y, A, model }: Problem<LinearOperator>): Denoiser {
  if (!model)
    throw new TypeError(
      "diff-unfolding: expected a problem with a `model`, a denoiser that sees the measurement; got none",
    );
  const { sigmaMin = 0, sigmaMax = Number.POSITIVE_INFINITY, round } = model as Model;
  const channels = A.domain.at(-1) as number;
  const call = (x: Tensor, sigma: Sigma) => model(y, A, { x, sigma });
  return Object.assign(call, { sigmaMin, sigmaMax, channels, multipleOf: 1, ...(round && { round }) });
}

/** Draws of the operator's domain: complex where that is. */
const likeDomain = (rng: Rng, { domainType }: LinearOperator): Rng =>
  domainType === "c64" ? { ...rng, normal: (shape) => white(rng, shape, "c64") } : rng;
