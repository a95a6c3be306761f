import { clamp } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { ddpmLevels, geometric, grid, karras, type Levels, quadTimes } from "../diffusion/schedules.ts";
import { pinv, proxL2 } from "../linalg/prox_l2.ts";
import { type Problem, pictureShape, type Solver } from "./solver.ts";

export interface DiffpirOptions {
  steps?: number;
  /** Trust in the denoiser against the measurement. Unit-consistent: noise and levels both in signed units. */
  lambda?: number;
  /** Share of the noise put back that is fresh. With few steps all of it is best: 12 steps on faces, 1 to 2 dB over .3. */
  zeta?: number;
  levels?: Levels;
  /** Levels outside are left out; so are those that the denoiser does not know. */
  sigmaStart?: number;
  sigmaEnd?: number;
  /** No level below the measurement's own noise. */
  aboveNoise?: boolean;
  /** Holds the denoiser's guess in [-1, 1]. */
  clip?: boolean;
  /** Whether the last guess is pulled towards the measurement too. */
  lastData?: boolean;
}

/**
 * DiffPIR [Zhu 2023, algorithm 1]. At each level s: denoise, pull towards the measurement, put noise of the next level t back.
 *   x0  = D(x; s)
 *   x0' = argmin |Ax - y|^2/2 + rho |x - x0|^2/2          rho = lambda (sigmaNoise/s)^2
 *   x   = x0' + t (sqrt(1 - zeta) eps + sqrt(zeta) z)      eps = (x - x0')/s,  z ~ N(0, 1)
 * The variance-preserving form is this one for x_t/sqrt(alphaBar_t), so the forms differ in their presets only.
 * Begins at A^T (A A^T + eta)^-1 y, eta = (2 sigmaNoise)^2, under noise of the first level.
 */
export function diffpir({
  steps = 100,
  lambda = 1,
  zeta = 1,
  levels = karras,
  sigmaStart = Number.POSITIVE_INFINITY,
  sigmaEnd = 0,
  aboveNoise = false,
  clip = false,
  lastData = true,
}: DiffpirOptions = {}): Solver {
  const gridFor = ({ denoiser, sigmaNoise }: Problem) => {
    const [sigmaMin, sigmaMax] = [Math.max(sigmaEnd, denoiser.sigmaMin), Math.min(sigmaStart, denoiser.sigmaMax)];
    const all = grid(levels, steps, { sigmaMin, sigmaMax });
    return aboveNoise ? all.map((s) => s && Math.max(s, sigmaNoise)) : all;
  };
  return {
    name: "diffpir",
    steps,
    init(problem, rng) {
      const { y, A, sigmaNoise } = problem;
      const [sigma] = gridFor(problem) as [number];
      const x0 = pinv(A, y, (2 * sigmaNoise) ** 2);
      return { x: lincomb(1, x0, sigma, rng.normal(pictureShape(problem))), x0, sigma };
    },
    step(problem, { x }, i, rng) {
      const { y, A, sigmaNoise, denoiser } = problem;
      const all = gridFor(problem);
      const [s, t] = [all[i], all[i + 1]] as [number, number];
      const guess = denoiser(x, s);
      const held = clip ? clamp(guess, -1, 1) : guess;
      const x0 = t === 0 && !lastData ? held : proxL2(A, held, y, lambda * (sigmaNoise / s) ** 2);
      if (t === 0) return { x: x0, x0, sigma: 0 };
      const keep = (t / s) * Math.sqrt(1 - zeta);
      const next = lincomb(keep, x, 1 - keep, x0);
      return { x: zeta ? lincomb(1, next, t * Math.sqrt(zeta), rng.normal(x.shape)) : next, x0, sigma: t };
    },
  };
}

const vp = { zeta: 0.3, levels: ddpmLevels(quadTimes), clip: true, lastData: false };
const ve = { steps: 1000, lambda: 1, levels: geometric, sigmaEnd: 0.02, aboveNoise: true };

/**
 * Published settings in our units. The authors' code takes sigmaNoise in [0, 1] and levels in [-1, 1], which multiplies
 * lambda by 4: theirs are divided by that here. VE: [MUPET], LSUN, levels of [0, 1] doubled, for noise of .01; `dsm` are those
 * that its authors found best for the network before MUPET. They solve the data step by gradient descent; here it is exact.
 */
export const diffpirPresets = {
  vpDeblur: { ...vp, lambda: 7 / 4 },
  vpSuperResolution: { ...vp, lambda: 6 / 4, zeta: 0.25 },
  vpInpaint: { ...vp, steps: 20, lambda: 1 / 4, zeta: 1 },
  vePixels: { ...ve, zeta: 0.6, sigmaStart: 2 },
  veBlock: { ...ve, zeta: 0.3, sigmaStart: 20 },
  veSuperResolution: { ...ve, zeta: 0.6, sigmaStart: 0.2 },
  veDeblur: { ...ve, zeta: 0.6, sigmaStart: 0.2 },
  dsmSuperResolution: { ...ve, zeta: 0.3, sigmaStart: 0.02 },
  dsmDeblur: { ...ve, zeta: 0.3, sigmaStart: 2 },
} satisfies Record<string, DiffpirOptions>;
