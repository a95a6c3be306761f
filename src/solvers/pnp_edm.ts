import { sqrt, square } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import type { Rng } from "../../kernels/random.ts";
import type { Denoiser } from "../diffusion/denoiser.ts";
import { grid, karras, type Levels } from "../diffusion/schedules.ts";
import { white } from "../linalg/dot_test.ts";
import { iterate } from "../linalg/iterate.ts";
import { isLinear, type Operator } from "../linalg/operator.ts";
import { pinv, proxL2 } from "../linalg/prox_l2.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { misfit } from "./misfit.ts";
import { type Problem, pictureShape, type Solver } from "./solver.ts";

export interface PnpEdmOptions {
  steps?: number;
  /** How far the picture and its denoised copy may lie apart: rho decay^k, but not less than rhoMin. */
  rho?: number;
  decay?: number;
  rhoMin?: number;
  /** Iterates left out of the mean and the deviation. */
  burnIn?: number;
  /** What comes out: the last iterate, a draw from the posterior; or the mean of those after burn-in. */
  estimate?: "sample" | "mean";
  /** The prior's own chain: a grid of so many levels, of which it walks those below rho. */
  gridSteps?: number;
  levels?: Levels;
  /** Its steps: ancestral from rho itself; or, as published, Euler's of the SDE or the ODE from the first level below. */
  chain?: "ancestral" | "sde" | "ode";
  /** For operators that are not linear: Langevin steps on the measurement's side, and their size. */
  langevin?: number;
  rate?: number;
}

/**
 * PnP-EDM [Wu 2024]: Gibbs sampling of the posterior split in two, p(x, z) ~ exp(-|Az - y|^2/(2 sigmaNoise^2) - |x - z|^2/(2 rho^2)) p(x).
 *   z | x    argmin |Az - (y + sigmaNoise n)|^2/2 + (sigmaNoise/rho)^2 |z - (x + rho n')|^2/2      n, n' ~ N(0, 1)
 *            an exact draw for any linear A; for others Langevin from x, e = rate:
 *            z = z - e J^T (A(z) - y)/sigmaNoise^2 - e (z - x)/rho^2 + sqrt(2 e) n
 *   x | z    the reverse diffusion from z at level rho down to 0; ancestral: x = D + (t/s)^2 (x - D) + t sqrt(1 - t^2/s^2) n
 * Exact as rho goes to 0 and steps grow; at the published rhoMin = .3 wider than the posterior. The state carries the `mean` and
 * the `deviation` of the iterates after burn-in; its x0 is that mean.
 */
export function pnpEdm({
  steps = 100,
  rho = 10,
  decay = 0.9,
  rhoMin = 0.3,
  burnIn = Math.floor(0.4 * steps),
  estimate = "sample",
  gridSteps = 100,
  levels = karras,
  chain = "ancestral",
  langevin = 100,
  rate = 1e-4,
}: PnpEdmOptions = {}): Solver<Problem<Operator>> {
  const couplingAt = (k: number, { sigmaMin, sigmaMax }: Denoiser) =>
    Math.min(sigmaMax, Math.max(rho * decay ** k, rhoMin, sigmaMin));
  return {
    name: "pnp-edm",
    steps,
    init(problem, rng) {
      const { y, A, sigmaNoise, denoiser } = problem;
      const x = isLinear(A) ? pinv(A, y, (2 * sigmaNoise) ** 2) : rng.normal(pictureShape(problem));
      return { x, x0: x, sigma: couplingAt(0, denoiser) };
    },
    step(problem, { x, mean, deviation }, k, rng) {
      const { denoiser } = problem;
      const r = couplingAt(k, denoiser);
      const below = grid(levels, gridSteps, denoiser).filter((s) => s < r);
      const path = chain === "ancestral" ? [r, ...below] : below;
      const z = nearMeasurement(problem, x, r, { langevin, rate }, rng);
      const next = iterate(path.length - 1, z, (z, i) =>
        reversed(denoiser, z, [path[i], path[i + 1]] as [number, number], chain, rng),
      );
      const sigma = couplingAt(k + 1, denoiser);
      const n = k + 1 - burnIn;
      if (n < 1) return { x: next, x0: next, sigma };
      const moments = averaged(next, n, n > 1 ? (mean as Tensor) : undefined, deviation as Tensor);
      return { x: k === steps - 1 && estimate === "mean" ? moments.mean : next, x0: moments.mean, sigma, ...moments };
    },
  };
}

/** z given x. */
function nearMeasurement(
  { y, A, sigmaNoise }: Problem<Operator>,
  x: Tensor,
  rho: number,
  { langevin, rate }: { langevin: number; rate: number },
  rng: Rng,
): Tensor {
  if (isLinear(A)) {
    const seen = lincomb(1, y, sigmaNoise, white(rng, y.shape, y.dtype));
    return proxL2(A, lincomb(1, x, rho, rng.normal(x.shape)), seen, (sigmaNoise / rho) ** 2);
  }
  const pull = rate / rho ** 2;
  return iterate(langevin, x, (z) => {
    const { gradient } = misfit(A, z, y);
    const towards = lincomb(1 - pull, z, pull, x, -rate / sigmaNoise ** 2, gradient);
    return lincomb(1, towards, Math.sqrt(2 * rate), rng.normal(z.shape));
  });
}

/** One step of the prior's chain, from level s to t. */
function reversed(
  denoiser: Denoiser,
  x: Tensor,
  [s, t]: readonly [number, number],
  chain: PnpEdmOptions["chain"],
  rng: Rng,
): Tensor {
  const x0 = denoiser(x, s);
  if (chain === "ancestral" && t === 0) return x0;
  const speed = ((chain === "ode" ? 1 : 2) * (s - t)) / s;
  const keep = chain === "ancestral" ? (t / s) ** 2 : 1 - speed;
  const mean = lincomb(keep, x, 1 - keep, x0);
  if (chain === "ode" || t === 0) return mean;
  const q = chain === "ancestral" ? t * Math.sqrt(1 - keep) : Math.sqrt(2 * s * (s - t));
  return lincomb(1, mean, q, rng.normal(x.shape));
}

/** Mean and deviation of n pictures, from those of n - 1 and the last [Welford 1962]. */
function averaged(x: Tensor, n: number, mean: Tensor | undefined, deviation: Tensor) {
  if (!mean) return { mean: lincomb(1, x), deviation: lincomb(0, x) };
  const off = lincomb(1, x, -1, mean);
  const variance = lincomb(1 - 1 / n, square(deviation), (1 - 1 / n) / n, square(off));
  return { mean: lincomb(1, mean, 1 / n, off), deviation: sqrt(variance) };
}

/**
 * The authors' commands, for pictures in [-1, 1]. They keep 20 of the 60 iterates after burn-in; here all of them count.
 */
export const pnpEdmPresets = {
  linear: { chain: "sde" },
  phase: { chain: "sde", rhoMin: 0.1 },
  codedDiffraction: { chain: "sde", rhoMin: 0.1, rate: 1e-3 },
} satisfies Record<string, PnpEdmOptions>;
