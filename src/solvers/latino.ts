import { mul } from "../../kernels/broadcast.ts";
import { clamp } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { ddpmTable } from "../diffusion/schedules.ts";
import { conjugateGradients } from "../linalg/cg.ts";
import { pinv, proxL2 } from "../linalg/prox_l2.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { norms } from "./misfit.ts";
import type { Problem, Solver } from "./solver.ts";

/** The published step sizes, by time t of the process of 1000 steps. */
export type Deltas = (t: number) => number;

export interface LatinoOptions {
  /** Times of the process of 1000 steps, falling. */
  times?: readonly number[];
  /** Step of the measurement's pull. */
  delta?: Deltas;
  /** delta is of |A x - y| of the sample: the further it is off, the further it is pulled. */
  ofMisfit?: boolean;
  /** Ends with the measurement's pull, as the authors do; else with the model's picture. */
  lastData?: boolean;
}

const TIMES = [999, 874, 749, 624, 499, 374, 249, 124];
const SIGMA = ddpmTable().sigma;

/**
 * LATINO [Spangnoletti 2025] on pixels [S3, eq. 5], the autoencoder left out. f is a consistency model; at each level s:
 *   x' = argmin |Ax' - y|^2/2 + rho |x' - x|^2/2      rho = sigmaNoise^2/(delta (1 - alphaBar_t)),  1 - alphaBar_t = s^2/(1 + s^2)
 *   x  = f(x' + s z; s), in [-1, 1]                   z ~ N(0, 1)
 * From A^T (A A^T + (2 sigmaNoise)^2)^-1 y in [-1, 1]; levels that the model does not know are the nearest that it does.
 */
export function latino({
  times = TIMES,
  delta = () => 1,
  ofMisfit = false,
  lastData = false,
}: LatinoOptions = {}): Solver {
  const steps = times.length;
  const levelAt = (i: number, { sigmaMin, sigmaMax }: Problem["denoiser"]): number => {
    const t = times[i] as number;
    const s = SIGMA[t];
    if (s === undefined) throw new RangeError(`latino: times are whole numbers of 0 to 999, got ${t}`);
    return Math.min(sigmaMax, Math.max(sigmaMin, s));
  };
  const pulled = ({ y, A, sigmaNoise, denoiser }: Problem, x: Tensor, i: number): Tensor => {
    const s = levelAt(i, denoiser);
    const step = (delta(times[i] as number) * s ** 2) / (1 + s ** 2);
    if (!ofMisfit) return proxL2(A, x, y, sigmaNoise ** 2 / step);
    // one weight for each sample, known to the GPU only: (1 + g A^T A) (x' - x) = g A^T (y - A x)
    const r = lincomb(1, y, -1, A.apply(x));
    const g = lincomb(step / Math.max(sigmaNoise, 1e-3) ** 2, norms(r));
    const toward = (v: Tensor) => mul(g, A.adjoint(v));
    return lincomb(1, x, 1, conjugateGradients((v) => lincomb(1, v, 1, toward(A.apply(v))), toward(r)).x);
  };
  return {
    name: "latino",
    steps,
    init({ y, A, sigmaNoise, denoiser }) {
      const x = clamp(pinv(A, y, (2 * sigmaNoise) ** 2), -1, 1);
      return { x, x0: x, sigma: levelAt(0, denoiser) };
    },
    step(problem, { x }, i, rng) {
      const { denoiser } = problem;
      const s = levelAt(i, denoiser);
      const x0 = clamp(denoiser(lincomb(1, pulled(problem, x, i), s, rng.normal(x.shape)), s), -1, 1);
      if (i < steps - 1) return { x: x0, x0, sigma: levelAt(i + 1, denoiser) };
      return { x: lastData ? pulled(problem, x0, i) : x0, x0, sigma: 0 };
    },
  };
}

const published = (delta: Deltas) => ({ delta, ofMisfit: true, lastData: true });
/** The authors' step sizes, tuned on 512 and 1024 pixels: |A x - y| grows with the picture, and so do they. */
export const latinoPresets = {
  superResolution16: published((t) => (t > 300 ? 0.3 : 0.2)),
  superResolution32: published((t) => (t > 300 ? 0.15 : 0.3)),
  gaussianDeblur: published((t) => (t > 400 ? 5e-4 : 2e-4)),
  gaussianDeblurWide: published((t) => (t > 400 ? 7e-4 : 3e-4)),
  motionDeblur10: published((t) => (t > 400 ? 4e-4 : 2e-4)),
  motionDeblur: published((t) => (t > 400 ? 5e-5 : t > 0 ? 9e-5 : 2e-7)),
  boxInpaint: { delta: (t) => (t > 500 ? 1 : 0.5), lastData: true },
  other: { delta: (t) => (t > 200 ? 0.01 : 1), lastData: true },
} satisfies Record<string, LatinoOptions>;
