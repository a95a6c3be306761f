import { sliceChannels } from "../../kernels/concat.ts";
import { ShapeError } from "../errors.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { combine, type Denoiser, eachSigma, type Sigma, times } from "./denoiser.ts";
import { iddpmTable, vpSigma, vpTime } from "./schedules.ts";

/** What is trained: of the scaled picture and one noise label per sample. */
export type Network = (x: Tensor, noise: number[]) => Tensor;

export interface PreconditionOptions {
  channels?: number;
  multipleOf?: number;
  fixedSize?: number;
  sigmaMin?: number;
  sigmaMax?: number;
  /** The label that the network takes for a level, where it differs from the paper's. */
  noise?(sigma: number): number;
}
interface Form {
  skip(sigma: number): number;
  out(sigma: number): number;
  in(sigma: number): number;
  noise(sigma: number): number;
  round?(sigma: number): number;
  sigmaMin: number;
  sigmaMax: number;
}

/** D(x; s) = c_skip x + c_out F(c_in x; c_noise) [Karras 2022, table 1]. */
function wrap(F: Network, form: Form, options: PreconditionOptions): Denoiser {
  const {
    channels = 3,
    multipleOf = 1,
    fixedSize,
    sigmaMin = form.sigmaMin,
    sigmaMax = form.sigmaMax,
    noise = form.noise,
  } = options;
  const call = (x: Tensor, sigma: Sigma): Tensor => {
    const [N, H, W, C] = x.shape as [number, number, number, number];
    if (x.shape.length !== 4 || C !== channels || H % multipleOf || W % multipleOf)
      throw new ShapeError(
        `denoiser: expected [N, H, W, ${channels}]${multipleOf > 1 ? ` with H and W multiples of ${multipleOf}` : ""}, got [${x.shape.join(", ")}]`,
      );
    return scope(() => {
      const cIn = eachSigma(sigma, form.in);
      const scaled = cIn === 1 ? x : times(cIn, x);
      const labels = typeof sigma === "number" ? new Array<number>(N).fill(noise(sigma)) : sigma.map(noise);
      return combine(eachSigma(sigma, form.skip), x, eachSigma(sigma, form.out), mean(F(scaled, labels), channels));
    });
  };
  const { round } = form;
  return Object.assign(call, {
    sigmaMin,
    sigmaMax,
    channels,
    multipleOf,
    ...(fixedSize && { fixedSize }),
    ...(round && { round }),
  });
}

/** The first half of what a network gives that also learnt its variance. */
const mean = (out: Tensor, channels: number): Tensor =>
  out.shape.at(-1) === 2 * channels ? sliceChannels(out, 0, channels) : out;

/**
 * Noise-predicting networks of the variance-preserving process, F = eps(x_t, t): ADM, DDPM.
 * The label is 999 t with the continuous t, not rounded; with `levels`, those of the discrete process that the network
 * was trained on, it is the index at which they reach sigma, log-linear in between.
 */
function vp(F: Network, { levels, ...options }: PreconditionOptions & { levels?: ArrayLike<number> } = {}): Denoiser {
  const index = levels && indexIn(levels);
  return wrap(
    F,
    {
      skip: () => 1,
      out: (s) => -s,
      in: (s) => 1 / Math.sqrt(s * s + 1),
      noise: index ?? ((s) => 999 * vpTime(s)),
      sigmaMin: levels ? (levels[0] as number) : vpSigma(1e-5),
      sigmaMax: levels ? (levels[levels.length - 1] as number) : vpSigma(1),
    },
    options,
  );
}

/** Score networks of the variance-exploding process, F = sigma score: NCSN++. */
const ve = (F: Network, options: PreconditionOptions = {}): Denoiser =>
  wrap(
    F,
    { skip: () => 1, out: (s) => s, in: () => 1, noise: (s) => Math.log(s / 2), sigmaMin: 0.02, sigmaMax: 100 },
    options,
  );

/** Noise predictors trained with the cosine schedule: the label counts steps from the noisiest. */
function iddpm(F: Network, options: PreconditionOptions = {}): Denoiser {
  const u = iddpmTable();
  const nearest = (s: number) =>
    u.reduce((best, v, j) => (Math.abs(v - s) < Math.abs((u[best] as number) - s) ? j : best), 0);
  return wrap(
    F,
    {
      skip: () => 1,
      out: (s) => -s,
      in: (s) => 1 / Math.sqrt(s * s + 1),
      noise: (s) => u.length - 2 - nearest(s),
      round: (s) => u[nearest(s)] as number,
      sigmaMin: u.at(-2) as number,
      sigmaMax: 81,
    },
    options,
  );
}

/** Networks trained so that input and target have unit variance at every level. */
const edm = (
  F: Network,
  { sigmaData: d = 0.5, ...options }: PreconditionOptions & { sigmaData?: number } = {},
): Denoiser =>
  wrap(
    F,
    {
      skip: (s) => d ** 2 / (s ** 2 + d ** 2),
      out: (s) => (s * d) / Math.sqrt(s ** 2 + d ** 2),
      in: (s) => 1 / Math.sqrt(s ** 2 + d ** 2),
      noise: (s) => Math.log(s) / 4,
      sigmaMin: 0.002,
      sigmaMax: 80,
    },
    options,
  );

/** Consistency models [Song 2023]: at sigmaMin the picture itself, whatever the network says. The label is 250 ln s. */
const consistency = (
  F: Network,
  { sigmaData: d = 0.5, sigmaMin = 0.002, ...options }: PreconditionOptions & { sigmaData?: number } = {},
): Denoiser =>
  wrap(
    F,
    {
      skip: (s) => d ** 2 / ((s - sigmaMin) ** 2 + d ** 2),
      out: (s) => ((s - sigmaMin) * d) / Math.sqrt(s ** 2 + d ** 2),
      in: (s) => 1 / Math.sqrt(s ** 2 + d ** 2),
      noise: (s) => 250 * Math.log(s),
      sigmaMin,
      sigmaMax: 80,
    },
    options,
  );

/** Networks of the variance-preserving process that predict v = sqrt(alphaBar) eps - sqrt(1 - alphaBar) x0 [Salimans 2022]. */
const v = (F: Network, options: PreconditionOptions = {}): Denoiser =>
  wrap(
    F,
    {
      skip: (s) => 1 / (s * s + 1),
      out: (s) => -s / Math.sqrt(s * s + 1),
      in: (s) => 1 / Math.sqrt(s * s + 1),
      noise: (s) => 999 * vpTime(s),
      sigmaMin: vpSigma(1e-5),
      sigmaMax: vpSigma(1),
    },
    options,
  );

/**
 * Flow matching: x_t = t x0 + (1 - t) noise, and F = x0 - noise its velocity; the label is t = 1/(1 + s).
 * Where time runs from the picture (t = 0) to noise, as in rectified flow: `noise: (s) => s / (1 + s)`, and -F.
 */
const flow = (F: Network, options: PreconditionOptions = {}): Denoiser =>
  wrap(
    F,
    {
      skip: (s) => 1 / (1 + s),
      out: (s) => s / (1 + s),
      in: (s) => 1 / (1 + s),
      noise: (s) => 1 / (1 + s),
      sigmaMin: 1e-3,
      sigmaMax: 999,
    },
    options,
  );

export const precondition = { vp, v, ve, edm, iddpm, consistency, flow };

/** The fractional index at which rising levels reach sigma; beyond the ends, the end. */
function indexIn(levels: ArrayLike<number>): (sigma: number) => number {
  return (sigma) => {
    let j = 0;
    while (j < levels.length - 2 && (levels[j + 1] as number) <= sigma) j++;
    const [a, b] = [Math.log(levels[j] as number), Math.log(levels[j + 1] as number)];
    return Math.min(levels.length - 1, Math.max(0, j + (Math.log(sigma) - a) / (b - a)));
  };
}
