import { clamp } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { type DdpmTable, ddpmTable } from "../diffusion/schedules.ts";
import { pinv } from "../linalg/prox_l2.ts";
import type { Problem, Solver } from "./solver.ts";

export interface Cm4irOptions {
  steps?: number;
  /** The first level, as a time of the process whose beta rises linearly, and how alphaBar grows: times 1 + gamma a step. */
  first?: number;
  gamma?: number;
  /** Regularises the pseudo-inverse: its eta is zeta sigmaNoise^2. */
  zeta?: number;
  /** Of the guidance. */
  mu?: number;
  /** Share of the noise put back that is fresh. */
  eta?: number;
  /** The network is told, and scales by, (1 + delta_j) s_j. */
  delta?: readonly number[];
  /** Ends with the denoiser's guess; else with the guidance, which is for measurements without noise. */
  noisy?: boolean;
  table?: DdpmTable;
}

/** s_j = sqrt(1 - a_j) in [.002, 80], a_1 = alphaBar_{first + 1}, a_{j+1} = min((1 + gamma) a_j, .9999). */
export function cm4irLevels(steps: number, { first, gamma }: { first: number; gamma: number }, table = ddpmTable()) {
  let a = table.alphaBar[first + 1];
  if (a === undefined)
    throw new RangeError(`cm4ir: first must be 0 to ${table.alphaBar.length - 2}, a time of the process, got ${first}`);
  return Array.from({ length: steps }, (_, j) => {
    if (j) a = Math.min((1 + gamma) * (a as number), 0.9999);
    return Math.min(80, Math.max(0.002, Math.sqrt(1 - (a as number))));
  });
}

/**
 * CM4IR [Garber & Tirer 2025], four calls of a consistency model f. From x = pinv(y) + sqrt(1 - a_1) z, at each level s:
 *   x0 = f(x; s)      e = (x0 - x)/s
 *   x  = x0 - mu pinv(A x0 - y) + t (eta z + sqrt(1 - eta^2) e)      pinv(r) = A^T (A A^T + zeta sigmaNoise^2)^-1 r
 * The noise put back has the sign of x0 - x, as the authors' has: minus what is usual. Their inpainting begins from a
 * picture whose unknown pixels are filled by the median; give it as `start: { x }`.
 */
export function cm4ir({
  steps = 4,
  first = 150,
  gamma = 0.2,
  zeta = 1,
  mu = 1,
  eta = 0.1,
  delta = [],
  noisy = true,
  table = ddpmTable(),
}: Cm4irOptions = {}): Solver {
  const levels = cm4irLevels(steps, { first, gamma }, table);
  const inverse = ({ A, sigmaNoise }: Problem, r: Problem["y"]) => pinv(A, r, zeta * sigmaNoise ** 2);
  return {
    name: "cm4ir",
    steps,
    init(problem, rng) {
      const x0 = inverse(problem, problem.y);
      const sigma = levels[0] as number;
      return { x: lincomb(1, x0, sigma, rng.normal(x0.shape)), x0, sigma };
    },
    step(problem, { x }, j, rng) {
      const { y, A, denoiser } = problem;
      const s = levels[j] as number;
      const told = Math.min(denoiser.sigmaMax, Math.max(denoiser.sigmaMin, (1 + (delta[j] ?? 0)) * s));
      const x0 = clamp(denoiser(x, told), -1, 1);
      const last = j === steps - 1;
      if (last && noisy) return { x: x0, x0, sigma: 0 };
      const guided = lincomb(1, x0, -mu, inverse(problem, lincomb(1, A.apply(x0), -1, y)));
      if (last) return { x: guided, x0, sigma: 0 };
      const t = levels[j + 1] as number;
      const e = (t / s) * Math.sqrt(1 - eta ** 2);
      return { x: lincomb(1, guided, e, x0, -e, x, t * eta, rng.normal(x.shape)), x0, sigma: t };
    },
  };
}

const sr = { 25: { first: 400, gamma: 0.7 }, 50: { first: 250, gamma: 0.2 } };
/** Published settings, by the noise in thousandths of [0, 1] units: LSUN bedroom, cat, and ImageNet at 64 pixels. */
export const cm4irPresets = {
  superResolution25: sr[25],
  superResolution50: sr[50],
  bedroomDeblur25: { first: 75, gamma: 0.01, zeta: 3 },
  bedroomDeblur50: { first: 150, gamma: 0.05, zeta: 1 },
  catDeblur25: { first: 125, gamma: 0.05, zeta: 4 },
  catDeblur50: { first: 250, gamma: 0.2, zeta: 1 },
  inpaint: { first: 150, gamma: 0.2 },
  imagenet64SuperResolution10: { first: 50, gamma: 0.01 },
  imagenet64SuperResolution25: { first: 75, gamma: 0.02 },
  imagenet64SuperResolution50: { first: 100, gamma: 0.03 },
  superResolutionTold: { ...sr[25], delta: [0, 0.5, 0.1, 0] },
  deblurTold: { first: 75, gamma: 0.01, zeta: 3, delta: [0.1, 0, 0, 0.05] },
} satisfies Record<string, Cm4irOptions>;
