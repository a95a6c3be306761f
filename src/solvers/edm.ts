import { lincomb } from "../../kernels/lincomb.ts";
import type { Denoiser } from "../diffusion/denoiser.ts";
import { grid, karras, type Levels, type Range } from "../diffusion/schedules.ts";
import type { Sampling, Solver } from "./solver.ts";

export interface EdmOptions {
  steps?: number;
  method?: "heun" | "euler";
  /** The grid; by default that of rho = 7, inside what the denoiser knows. */
  levels?: Levels;
  sigmaMin?: number;
  sigmaMax?: number;
  /** Noise put back in, spread over the steps whose level is within [churnMin, churnMax], times churnNoise. */
  churn?: number;
  churnMin?: number;
  churnMax?: number;
  churnNoise?: number;
}

/**
 * Sampler of the prior [Karras 2022, algorithm 2]; without churn the deterministic one of algorithm 1.
 *   h  = s (1 + gamma)                     gamma = min(churn/N, sqrt(2) - 1) where churnMin <= s <= churnMax, else 0
 *   xh = x + sqrt(h^2 - s^2) churnNoise z
 *   d  = (xh - D(xh; h))/h                 x = xh + (t - h) d                  Euler, and always the step to t = 0
 *   d' = (x - D(x; t))/t                   x = xh + (t - h) (d + d')/2         Heun
 */
export function edm({
  steps = 18,
  method = "heun",
  levels = karras,
  sigmaMin = 0.002,
  sigmaMax = 80,
  churn = 0,
  churnMin = 0,
  churnMax = Number.POSITIVE_INFINITY,
  churnNoise = 1,
}: EdmOptions = {}): Solver<Sampling> {
  const gridFor = (denoiser: Denoiser) => {
    const range: Range = {
      sigmaMin: Math.max(sigmaMin, denoiser.sigmaMin),
      sigmaMax: Math.min(sigmaMax, denoiser.sigmaMax),
    };
    const full = grid(levels, steps, range);
    return denoiser.round
      ? grid(
          full.map((s) => s && (denoiser.round as (s: number) => number)(s)),
          steps,
          range,
        )
      : full;
  };
  return {
    name: `edm ${method}`,
    steps: typeof levels === "function" ? steps : grid(levels, steps, { sigmaMin, sigmaMax }).length - 1,
    init({ denoiser, shape }, rng) {
      const [sigma] = gridFor(denoiser) as [number];
      const x = lincomb(sigma, rng.normal(shape));
      return { x, x0: x, sigma };
    },
    step({ denoiser }, { x }, i, rng) {
      const all = gridFor(denoiser);
      const [s, t] = [all[i], all[i + 1]] as [number, number];
      const gamma = s >= churnMin && s <= churnMax ? Math.min(churn / (all.length - 1), Math.SQRT2 - 1) : 0;
      const h = s * (1 + gamma);
      const xh = gamma ? lincomb(1, x, Math.sqrt(h * h - s * s) * churnNoise, rng.normal(x.shape)) : x;
      const x0 = denoiser(xh, h);
      if (t === 0) return { x: x0, x0, sigma: 0 };
      const d = lincomb(1 / h, xh, -1 / h, x0);
      const euler = lincomb(1, xh, t - h, d);
      if (method === "euler") return { x: euler, x0, sigma: t };
      const d2 = lincomb(1 / t, euler, -1 / t, denoiser(euler, t));
      return { x: lincomb(1, xh, (t - h) / 2, d, (t - h) / 2, d2), x0, sigma: t };
    },
  };
}
