import { square } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import type { Denoiser } from "../diffusion/denoiser.ts";
import { karras } from "../diffusion/schedules.ts";
import { iterate } from "../linalg/iterate.ts";
import { type Operator, slopeOf } from "../linalg/operator.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type ChainOptions, chain } from "./chain.ts";
import { misfit, norms } from "./misfit.ts";
import { type Problem, pictureShape, type Solver } from "./solver.ts";

/** How x is drawn when x0 and y are known: Langevin steps, a Metropolis walk, or Langevin steps with momentum. */
export interface DapsOptions extends ChainOptions {
  steps?: number;
  sigmaMax?: number;
  sigmaMin?: number;
  /** Calls of the denoiser in each step, and the level where they end. */
  calls?: number;
  sigmaEnd?: number;
  /** The chain's steps at first, and what part of that they fall to, linearly, over the run. */
  rate?: number;
  rateMin?: number;
  /** The measurement's noise as the chain sees it, times sqrt(2); published .01, whatever the noise. */
  tau?: number;
  /** Shortens the chain's steps by the square of what the operator stretches, if that is above 1, lest they overshoot. */
  bySlope?: boolean;
}

/** Levels from one down to another, evenly spaced in sigma^(1/7). */
const between = (sigmaMax: number, sigmaMin: number, points: number): number[] =>
  karras(points, { sigmaMax, sigmaMin }).slice(0, points);

/** x carried to a lower level by the deterministic flow, in Euler steps. */
function flow(denoiser: Denoiser, x: Tensor, levels: readonly number[]): Tensor {
  return iterate(levels.length - 1, x, (x, j) => {
    const [s, t] = [levels[j], levels[j + 1]] as [number, number];
    return lincomb(t / s, x, 1 - t / s, denoiser(x, s));
  });
}

/**
 * DAPS [Zhang 2025, algorithm 1], for any operator: at each level s, guess x0 by a short flow, draw a picture near it that
 * fits the measurement, and put noise of the next level on that. The network is not differentiated.
 *   E(x) = |A(x) - y|^2/tau^2 + |x - x0|^2/(2 s^2),  x ~ exp(-E)      x = x + t z,  z ~ N(0, 1)
 */
export function daps({
  steps = 200,
  sigmaMax = 100,
  sigmaMin = 0.1,
  calls = 5,
  sigmaEnd = 0.01,
  rate = 1e-4,
  rateMin = 0.01,
  tau = 0.01,
  bySlope = false,
  ...options
}: DapsOptions = {}): Solver<Problem<Operator>> {
  // the last of the levels is taken for 0
  const gridFor = (denoiser: Denoiser) => [
    ...between(Math.min(sigmaMax, denoiser.sigmaMax), sigmaMin, steps + 1).slice(0, steps),
    0,
  ];
  return {
    name: "daps",
    steps,
    init(problem, rng) {
      const [sigma] = gridFor(problem.denoiser) as [number];
      const x = lincomb(sigma, rng.normal(pictureShape(problem)));
      return { x, x0: x, sigma };
    },
    step({ y, A, denoiser }, state, i, rng) {
      const all = gridFor(denoiser);
      const [s, t] = [all[i], all[i + 1]] as [number, number];
      const end = Math.min(s, Math.max(sigmaEnd, denoiser.sigmaMin));
      const x0 = flow(denoiser, state.x, between(s, end, calls + 1));
      const near = {
        slope: (x: Tensor) => lincomb(2 / tau ** 2, misfit(A, x, y).gradient, 1 / s ** 2, x, -1 / s ** 2, x0),
        energy(x: Tensor) {
          const [r, d] = [norms(lincomb(1, A.apply(x), -1, y)), norms(lincomb(1, x, -1, x0))];
          return lincomb(1 / tau ** 2, square(r), 0.5 / s ** 2, square(d));
        },
      };
      const e = (bySlope ? rate / Math.max(1, slopeOf(A)) ** 2 : rate) * (1 + (i / (steps + 1)) * (rateMin - 1));
      const x = chain(near, x0, e, rng, options);
      return { x: t ? lincomb(1, x, t, rng.normal(x.shape)) : x, x0, sigma: t };
    },
  };
}

const hmc = (iterations: number, rate: number, rateMin: number, momentum: number): DapsOptions => ({
  method: "hmc",
  iterations,
  rate,
  rateMin,
  momentum,
});

/** Published settings, sigmaNoise .05, 256 x 256. */
export const dapsPresets = {
  superResolution: { rate: 1e-4 },
  gaussian: { rate: 1e-4 },
  motion: { rate: 5e-5 },
  box: { rate: 5e-5 },
  random: { rate: 1e-4 },
  hdr: { rate: 2e-5 },
  phase: { rate: 5e-5 },
  nonlinear: { rate: 1e-5, iterations: 200 },
  hmc: {
    superResolution: hmc(12, 1.04e-4, 0.012, 0.9),
    gaussian: hmc(82, 4.04e-5, 0.011, 0.1),
    motion: hmc(96, 3.69e-5, 0.01, 0.11),
    box: hmc(84, 1.15e-5, 0.014, 0.003),
    random: hmc(11, 3.56e-5, 0.015, 0.8),
    hdr: hmc(100, 2.18e-5, 0.013, 0.23),
    nonlinear: hmc(85, 1.2e-5, 0.012, 0.46),
    phase: hmc(62, 9.75e-6, 0.019, 0.73),
  },
} satisfies Record<string, DapsOptions | Record<string, DapsOptions>>;
