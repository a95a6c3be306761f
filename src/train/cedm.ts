import type { Rng } from "../../kernels/random.ts";
import { realView } from "../linalg/on_real.ts";
import type { LinearOperator } from "../linalg/operator.ts";
import type { OfficialEdm } from "../nets/edm_official.ts";
import { initParams, type Params } from "../nets/net.ts";
import type { Conditioned } from "../nets/posterior_net.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Degraded, type DegradedOptions, degraded } from "./degradations.ts";
import { type EdmLossOptions, edmLoss } from "./edm_loss.ts";
import type { Recipe } from "./recipe.ts";

/** EDM's loss of a network that is shown the measurement; see `edmLoss`. Complex pictures count as real ones. */
export function cedmLoss(
  model: Conditioned,
  params: Params,
  { x, y, A }: Pick<Degraded, "x" | "y"> & { readonly A: LinearOperator },
  random: Rng,
  options: EdmLossOptions = {},
): Tensor {
  const F = model.F(params, y, A);
  return edmLoss(
    (v, logSigma) =>
      F(
        v,
        logSigma.map((l) => l / 4),
      ),
    realView(x),
    random,
    options,
  );
}

export interface CedmOptions extends DegradedOptions, EdmLossOptions {
  model: Conditioned;
}

/**
 * Trains conditional EDM, the baseline of Diff-Unfolding [Wang 2025, appendix C]: EDM with the measurement beside its input.
 * Published: a model for each operator, so `operator` would draw one and the same, or masks of one kind; Heun's 18 steps.
 */
export function cedm(options: CedmOptions): Recipe<Degraded> {
  const { model } = options;
  return {
    name: "cedm",
    init: (random) => initParams(model, random),
    batch: (random) => degraded(options, random),
    loss: (params, batch, { random }) => cedmLoss(model, params, batch, random, options),
  };
}

/** EDM's network of 138.29 M parameters, which with three channels in is the 138.28 M that the paper reports. */
export const publishedCedm = {
  img_resolution: 256,
  img_channels: 3,
  in_channels: 6,
  model_channels: 128,
  channel_mult: [1, 1, 2, 2, 4, 4],
  num_blocks: 2,
  attn_resolutions: [32, 16, 8],
} as const satisfies OfficialEdm;
