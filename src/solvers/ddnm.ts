import { lincomb } from "../../kernels/lincomb.ts";
import { ddpmLevels, grid, type Levels } from "../diffusion/schedules.ts";
import { pinv } from "../linalg/prox_l2.ts";
import { pictureShape, type Solver } from "./solver.ts";

export interface DdnmOptions {
  steps?: number;
  levels?: Levels;
  /** Share of the noise put back that is fresh. */
  eta?: number;
  /** DDNM+: trusts the measurement less where its noise is above the level. Without it the fit is exact, noise and all. */
  plus?: boolean;
  /** Singular values up to this count as 0, where the operator knows them. */
  cutoff?: number;
}

/**
 * DDNM and DDNM+ [Wang 2023, eqs. 13 and 17-19]: what A sees comes from the measurement, what it does not from the denoiser.
 *   x0 = D(x; l)     x0' = x0 + L A^+ (y - A x0)                                     from level l to t
 *   x  = x0' + t sqrt(1 - eta^2) eps + eta sqrt(t^2 - (L n/s)^2) z                    eps = (x - x0')/l,  n = sigmaNoise
 * L = 1 in DDNM; in DDNM+ L = min(1, s t/n) for each singular value s, or min(1, t/n) for all where A does not know them,
 * and x then carries noise t with the measurement's own in it. As they are, small s amplify noise in DDNM.
 */
export function ddnm({
  steps = 100,
  levels = ddpmLevels(),
  eta = 0.85,
  plus = true,
  cutoff = 1e-3,
}: DdnmOptions = {}): Solver {
  return {
    name: plus ? "ddnm+" : "ddnm",
    steps,
    init(problem, rng) {
      const [sigma] = grid(levels, steps, problem.denoiser) as [number];
      const x = lincomb(sigma, rng.normal(pictureShape(problem)));
      return { x, x0: x, sigma };
    },
    step({ y, A, sigmaNoise: n, denoiser }, { x }, i, rng) {
      const all = grid(levels, steps, denoiser);
      const [l, t] = [all[i], all[i + 1]] as [number, number];
      const guess = denoiser(x, l);
      const r = lincomb(1, y, -1, A.apply(guess));
      const { spectral } = A;
      const noisy = plus && n > 0;
      const trust = (s: number) => (noisy ? Math.min(1, (s * t) / n) : 1);
      const fresh = (s: number) => (noisy ? Math.sqrt(Math.max(0, t * t - ((trust(s) * n) / s) ** 2)) : t);
      const step = spectral ? spectral.back(r, (s) => (s > cutoff ? trust(s) / s : 0)) : pinv(A, r, 0);
      const x0 = lincomb(1, guess, spectral ? 1 : trust(1), step);
      if (t === 0) return { x: x0, x0: guess, sigma: 0 };
      const keep = (t / l) * Math.sqrt(1 - eta * eta);
      const noise = rng.normal(x.shape);
      const z = spectral ? spectral.inside(noise, (s) => (s > cutoff ? fresh(s) : t)) : lincomb(fresh(1), noise);
      return { x: lincomb(keep, x, 1 - keep, x0, eta, z), x0, sigma: t };
    },
  };
}
