import { mul } from "../../kernels/broadcast.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { ShapeError } from "../errors.ts";
import type { Operator } from "../linalg/operator.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";

/** One noise level for all samples of a batch, or one for each. */
export type Sigma = number | readonly number[];

/** Best guess of the picture behind x = picture + sigma noise, x [N, H, W, C]. Every prior wears this face. */
export interface Denoiser {
  (x: Tensor, sigma: Sigma): Tensor;
  /** The levels it knows. Solvers keep their grids inside. */
  readonly sigmaMin: number;
  readonly sigmaMax: number;
  readonly channels: number;
  /** Heights and widths must be multiples of this. */
  readonly multipleOf: number;
  /** The side beyond which pictures should be cut into tiles. */
  readonly fixedSize?: number;
  /** The nearest level it was trained at, where those are few. */
  round?(sigma: number): number;
}

/** A network that sees the measurement: the posterior's counterpart of a denoiser. */
export type Reconstructor = (
  y: Tensor,
  A: Operator,
  options?: { x?: Tensor; sigma?: Sigma; label?: readonly number[] },
) => Tensor;

/** a x + b y where a and b are one number for all samples, or one for each. */
export function combine(a: Sigma, x: Tensor, b: Sigma, y: Tensor): Tensor {
  const each = (c: Sigma, t: Tensor) => (typeof c === "number" ? t : times(c, t));
  return lincomb(typeof a === "number" ? a : 1, each(a, x), typeof b === "number" ? b : 1, each(b, y));
}

/** a x where a is one number for all samples, or one for each. */
export const times = (a: Sigma, x: Tensor): Tensor => (typeof a === "number" ? lincomb(a, x) : mul(perSample(a, x), x));

function perSample(values: readonly number[], x: Tensor): Tensor {
  if (values.length !== x.shape[0])
    throw new ShapeError(
      `denoiser: ${values.length} noise levels for ${x.shape[0]} samples; give one for all or one for each`,
    );
  return tensor([values.length, ...x.shape.slice(1).map(() => 1)], values, x.dtype === "f16" ? "f16" : "f32");
}

/** f of the level, or of each. */
export const eachSigma = (sigma: Sigma, f: (sigma: number) => number): Sigma =>
  typeof sigma === "number" ? f(sigma) : sigma.map(f);
