import { clamp } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { ddpmLevels, ddpmTable, grid, type Levels } from "../diffusion/schedules.ts";
import type { Operator } from "../linalg/operator.ts";
import { sizeOf } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { misfit, over } from "./misfit.ts";
import { type Problem, pictureShape, type Solver } from "./solver.ts";

/** How far a data step goes, in the norm of a colour picture of 256 x 256; of others, the same for each pixel. */
export interface DataSteps {
  gamma?: number;
  /** What gamma is multiplied by, while the level is above `relaxBelow` and from there on. */
  early?: number;
  late?: number;
  relaxBelow?: number;
}

export interface DdiffOptions extends DataSteps {
  steps?: number;
  levels?: Levels;
  /** Share of the noise put back that is fresh; by default as much as DDPM's, 1 - (t/s)^2. */
  zeta?: number;
  /** From this level on no fresh noise is added. */
  quietBelow?: number;
  /** The dual variable; without it the method is DDiff-HQS. */
  dual?: boolean;
  /** In place of steps of a set length, one step down |Ax - y|^2/2 + rho |x - z|^2/2, rho = lambda (sigmaNoise/s)^2. */
  lambda?: number;
  /** Holds the denoiser's guess in [-1, 1]. */
  clip?: boolean;
  /** Whether the step to level 0 is made; the authors' code returns what it has at the lowest level. */
  last?: boolean;
}

const { sigma: table } = ddpmTable();
const level = (t: number) => table[t] as number;

/** The length of a data step at this level. */
export const lengthOf = (
  { gamma = 2.9, early = 3.3, late = 0.1, relaxBelow = level(90) }: DataSteps,
  A: Operator,
  s: number,
): number => gamma * (s > relaxBelow ? early : late) * Math.sqrt(sizeOf(A.domain) / (256 * 256 * 3));

/**
 * DDiff [S2, eqs. 5, 9-11]: ADMM whose dual variable u rides on the noise, for any operator; the network is not differentiated.
 *   z  = D(x; s)                                  v = z - u
 *   x0 = v - gamma g/|g|                          g = J^T (A(v) - y), the norm of each sample
 *   x  = x0 + u + t (sqrt(1 - zeta) eps + sqrt(zeta) n)      eps = (x - x0)/s,  n ~ N(0, 1)
 *   u  = u + x0 - z
 */
export function ddiff({
  steps = 1000,
  levels = ddpmLevels(),
  zeta,
  quietBelow = 0,
  dual = true,
  lambda,
  clip = true,
  last = true,
  ...lengths
}: DdiffOptions = {}): Solver<Problem<Operator>> {
  return {
    name: dual ? "ddiff" : "ddiff-hqs",
    steps,
    init(problem, rng) {
      const [sigma] = grid(levels, steps, problem.denoiser) as [number];
      const x = lincomb(sigma, rng.normal(pictureShape(problem)));
      return { x, x0: x, sigma, ...(dual && { u: lincomb(0, x) }) };
    },
    step({ y, A, sigmaNoise, denoiser }, state, i, rng) {
      const { x, u } = state as typeof state & { u?: Tensor };
      const all = grid(levels, steps, denoiser);
      const [s, t] = [all[i], all[i + 1]] as [number, number];
      if (t === 0 && !last) return { ...state, sigma: 0 };
      const guess = denoiser(x, s);
      const z = clip ? clamp(guess, -1, 1) : guess;
      const v = u ? lincomb(1, z, -1, u) : z;
      const { gradient } = misfit(A, v, y);
      const x0 =
        lambda === undefined
          ? lincomb(1, v, -lengthOf(lengths, A, s), over(gradient, gradient))
          : lincomb(1, v, -1 / (lambda * (sigmaNoise / s) ** 2), gradient);
      const fresh = zeta ?? 1 - (t / s) ** 2;
      const keep = (t / s) * Math.sqrt(1 - fresh);
      const terms = [1 - keep, x0, ...(u ? [1, u] : []), keep, x];
      if (fresh && t && s > quietBelow) terms.push(t * Math.sqrt(fresh), rng.normal(x.shape));
      return { x: lincomb(...terms), x0, sigma: t, ...(u && { u: lincomb(1, u, 1, x0, -1, z) }) };
    },
  };
}

/** DDiff without its dual variable [S2, S4]. With `lambda` and `zeta` it is DiffPIR with one gradient step for its prox. */
export const ddiffHqs = (options: Omit<DdiffOptions, "dual"> = {}): Solver<Problem<Operator>> =>
  ddiff({ ...options, dual: false });

const published = { steps: 1000, levels: ddpmLevels(), last: false };
/** gamma, and the times from which on steps are short and from which on nothing is fresh. */
const row = (gamma: number, relax: number, quiet: number, zeta?: number): DdiffOptions => ({
  ...published,
  gamma,
  relaxBelow: level(relax),
  quietBelow: level(quiet),
  ...(zeta !== undefined && { zeta }),
});

/**
 * Published settings, sigmaNoise .05, 256 x 256. ImageNet's box is the paper's; the authors' code relaxes it at time 90.
 * `hqs` is what their code runs in the ablation: steps of a length of 90 to the end.
 */
export const ddiffPresets = {
  ffhq: {
    superResolution: row(18, 90, 1, 1),
    box: row(30, 90, 1, 1),
    random: row(50, 90, 1, 1),
    gaussian: row(2.9, 90, 50),
    motion: row(2.9, 90, 80),
    phase: row(38, 90, 1, 1),
    nonlinear: row(2.5, 90, 120),
    hdr: row(3.5, 90, 120),
  },
  imagenet: {
    superResolution: row(18, 90, 1, 1),
    box: row(50, 500, 1, 1),
    random: row(50, 90, 1, 1),
    gaussian: row(1.8, 90, 50),
    motion: row(1.5, 90, 80),
    phase: row(38, 90, 1, 1),
    nonlinear: row(2.5, 90, 120),
    hdr: row(3.8, 90, 100),
  },
  hqs: { ...row(90, 90, 1), early: 1, late: 1 },
} satisfies Record<string, DdiffOptions | Record<string, DdiffOptions>>;
