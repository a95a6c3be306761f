import { add, div, mul } from "../../kernels/broadcast.ts";
import { exp } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import type { Rng } from "../../kernels/random.ts";
import { mean, sum, sumSquares } from "../../kernels/reduce.ts";
import { asReal, reshape } from "../../kernels/reshape.ts";
import { initParams, type Params } from "../nets/net.ts";
import type { Unfolding } from "../nets/unfolding.ts";
import { scope } from "../tensor/scope.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import { drawLevels, type NoiseLevels, unfoldingLoss } from "./diff_unfolding.ts";
import { type HeldOut, heldOut, type SplitOptions } from "./kspace_split.ts";
import { type MriBatch, operatorOf } from "./mri_data.ts";
import type { Recipe } from "./recipe.ts";

export interface DiffUnfoldingMri extends NoiseLevels {
  /** Of two channels: real and imaginary parts. */
  readonly model: Unfolding;
  data(random: Rng): Promise<MriBatch>;
}

/**
 * Diff-Unfolding [Wang 2025] on multi-coil k-space: the loss of `diffUnfolding` through the coils' operator, whose pattern and
 * sensitivities are others in each batch. Published: Adam, 2e-4, 15 coils, six patterns.
 */
export const diffUnfoldingMri = ({ model, data, ...levels }: DiffUnfoldingMri): Recipe<MriBatch> => ({
  name: "diff-unfolding",
  init: (random) => initParams(model, random),
  batch: data,
  loss: (params, { x, y, ...rest }, { random }) =>
    scope(() => unfoldingLoss(model, params, { x, y, A: operatorOf(rest) }, random, levels)),
});

/**
 * Its self-supervised form, with SSDiffRecon's split: there is no truth, x_t is the zero-filled picture of what is seen (Theta)
 * with noise, and what is held out (Lambda) is compared.
 *   x_t = A_Theta^H y + s n     L = |Lambda (F S D(x_t, y_Theta; s) - y)|^2/(2 |Lambda|)     mean of e^-u(s) L + u(s)
 * |Lambda| counts points of k-space: were it all of them, L would be the mean over the numbers of a picture. The paper says that
 * there is such a form, not how it weighs levels.
 */
export const diffUnfoldingSplit = ({
  model,
  data,
  keep,
  centre,
  ...levels
}: DiffUnfoldingMri & SplitOptions): Recipe<HeldOut> => ({
  name: "diff-unfolding-split",
  init: (random) => initParams(model, random),
  batch: heldOut(data, { ...(keep !== undefined && { keep }), ...(centre !== undefined && { centre }) }),
  loss: (params, batch, { random }) => scope(() => splitLoss(model, params, batch, random, levels)),
});

function splitLoss(model: Unfolding, params: Params, batch: HeldOut, random: Rng, levels: NoiseLevels): Tensor {
  const { y, maps, held, target } = batch;
  const N = y.shape[0] as number;
  const A = operatorOf(batch);
  const start = A.adjoint(y);
  const sigma = drawLevels(N, random, levels);
  const xt = add(start, mul(random.normal(start.shape), tensor([N, 1, 1, 1], sigma)));
  const D = model.apply(params, xt, y, A, sigma);
  const misfit = lincomb(1, operatorOf({ mask: held, maps }).apply(D), -1, target);
  const L = div(sumSquares(reshape(asReal(misfit), [N, -1]), { axes: [1] }), lincomb(2, sum(held)));
  const u = model.uncertainty(params, sigma);
  return mean(add(mul(exp(lincomb(-1, u)), L), u));
}
