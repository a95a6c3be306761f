import { concat } from "../../kernels/concat.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { ShapeError } from "../errors.ts";
import { onReal, realView, viewFor } from "../linalg/on_real.ts";
import type { LinearOperator } from "../linalg/operator.ts";
import { scope } from "../tensor/scope.ts";
import { sameShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Module, Net, Params, PerSample } from "./net.ts";

/**
 * The posterior's denoiser D(x_t, y; sigma) = E[x | x_t, y], where x_t = x + sigma n and y = A x + noise. x_t and what it
 * gives are of the operator's domain, f32 or c64 [N, H, W, C]; the noise of a complex x_t has deviation sigma in both parts.
 */
export interface PosteriorNet extends Module<[x: Tensor, y: Tensor, A: LinearOperator, sigma: PerSample]> {
  /** Of the pictures, in reals: a complex channel counts twice. */
  readonly channels: number;
  readonly multipleOf: number;
  readonly sigmaMin: number;
  readonly sigmaMax: number;
  readonly round?: (sigma: number) => number;
  /** Networks run in one of its calls. */
  readonly calls: number;
}

/** What is trained, of the scaled picture and c_noise; and the denoiser that a preconditioner makes of it. */
export type Bare = (x: Tensor, noise: number[]) => Tensor;
export interface Wrapped {
  (x: Tensor, sigma: PerSample): Tensor;
  readonly sigmaMin: number;
  readonly sigmaMax: number;
  round?(sigma: number): number;
}
/** One of `precondition`: c_skip x + c_out F(c_in x; c_noise). */
export type Wrap = (F: Bare, options: { channels: number; multipleOf: number }) => Wrapped;

/** What a preconditioner says of levels, for networks whose pictures have so many channels. */
export function levelsOf(wrap: Wrap, shape: { channels: number; multipleOf: number }) {
  const { sigmaMin, sigmaMax, round } = wrap((x) => x, shape);
  return { ...shape, sigmaMin, sigmaMax, ...(round && { round }) };
}

/** What of a measurement a network is shown beside x: y where it is a picture like x, else A^T y, scaled by 1/|A|^2. */
export function measuredPicture(A: LinearOperator, y: Tensor): Tensor {
  const alike = sameShape(A.range, A.domain) && A.rangeType === A.domainType;
  return scope(() => (alike ? lincomb(1, realView(y)) : lincomb(1 / (A.norm ?? 1) ** 2, realView(A.adjoint(y)))));
}

export interface Conditioned extends PosteriorNet {
  /** The bare network F(c_in x, c_noise) with this measurement beside it; in real pictures. */
  F(params: Params, y: Tensor, A: LinearOperator): Bare;
}

/**
 * Conditional EDM (cEDM), the baseline of Diff-Unfolding: a denoiser that is shown the measurement as further channels.
 *   D(x_t, y; s) = c_skip x_t + c_out F([c_in x_t, m]; c_noise)      m = y or A^T y/|A|^2, [N, H, W, C]
 * It learns the operator with the prior, so each operator wants its own. `net` takes 2C channels and gives C.
 */
export function conditioned(net: Net, wrap: Wrap): Conditioned {
  const shape = { channels: net.inChannels / 2, multipleOf: net.multipleOf };
  if (net.outChannels % shape.channels)
    throw new ShapeError(
      `conditioned: expected a network of twice as many channels in as out, got ${net.inChannels} and ${net.outChannels}`,
    );
  const F: Conditioned["F"] = (params, y, A) => {
    const m = measuredPicture(A, y);
    return (x, noise) => scope(() => net.apply(params, concat([x, m]), noise));
  };
  return {
    name: "cedm",
    parameters: net.parameters,
    ...levelsOf(wrap, shape),
    calls: 1,
    F,
    apply: (params, x, y, A, sigma) =>
      scope(() => viewFor(A, wrap(F(params, y, A), shape)(onReal(A) === A ? x : realView(x), sigma))),
  };
}
