import { add, mul, sub } from "../../kernels/broadcast.ts";
import { exp, square } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import type { Rng } from "../../kernels/random.ts";
import { mean } from "../../kernels/reduce.ts";
import { reshape } from "../../kernels/reshape.ts";
import { white } from "../linalg/dot_test.ts";
import { realView } from "../linalg/on_real.ts";
import type { OfficialEdm } from "../nets/edm_official.ts";
import { initParams, type Params } from "../nets/net.ts";
import type { Unfolding } from "../nets/unfolding.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import { type Degraded, type DegradedOptions, degraded } from "./degradations.ts";
import type { Recipe } from "./recipe.ts";

export interface NoiseLevels {
  /** ln sigma ~ N(logMean, logStd^2): EDM's, which Diff-Unfolding's paper does not state. */
  logMean?: number | undefined;
  logStd?: number | undefined;
  /** Instead: one of these, all as likely, as Algorithm 1 draws t. */
  grid?: readonly number[] | undefined;
}

/** Levels for N samples. */
export function drawLevels(N: number, random: Rng, { logMean = -1.2, logStd = 1.2, grid }: NoiseLevels = {}): number[] {
  const levels = grid?.filter((s) => s > 0);
  return Array.from({ length: N }, () =>
    levels ? (levels[random.integer(0, levels.length - 1)] as number) : Math.exp(logMean + logStd * random.gaussian()),
  );
}

/**
 * Diff-Unfolding's loss (Eq. 19) on a batch of measured pictures, with its own noise level for each picture.
 *   x_t = x + sigma n      mean of e^(-u(sigma)) |D(x_t, y; sigma) - x|^2 + u(sigma)      |.|^2 the mean over pixels
 * Its minimum in u is u = ln |D - x|^2, so each level counts by how far it can be known. The gradient goes through the
 * operator in every step.
 */
export function unfoldingLoss(
  model: Unfolding,
  params: Params,
  { x, y, A }: Pick<Degraded, "x" | "y"> & { readonly A: Parameters<Unfolding["apply"]>[3] },
  random: Rng,
  levels: NoiseLevels = {},
): Tensor {
  const N = x.shape[0] as number;
  const sigma = drawLevels(N, random, levels);
  const each = tensor([N, ...x.shape.slice(1).map(() => 1)], sigma);
  const x_t = lincomb(1, x, 1, mul(white(random, x.shape, x.dtype), each));
  const error = realView(sub(model.apply(params, x_t, y, A, sigma), x));
  const squared = mean(square(reshape(error, [N, -1])), { axes: [1] });
  const u = model.uncertainty(params, sigma);
  return mean(add(mul(exp(lincomb(-1, u)), squared), u));
}

export interface DiffUnfoldingOptions extends DegradedOptions, NoiseLevels {
  model: Unfolding;
}

/**
 * Trains Diff-Unfolding [Wang 2025, algorithm 1]: every step draws pictures, an operator, noise of level sigma_y in [0, .1]
 * (pictures in [0, 1]), and levels sigma; the loss goes through all K steps of the model. Published: Adam, 2e-4, constant.
 * The model is not told sigma_y.
 */
export function diffUnfolding(options: DiffUnfoldingOptions): Recipe<Degraded> {
  const { model } = options;
  return {
    name: "diff-unfolding",
    init: (random) => initParams(model, random),
    batch: (random) => degraded(options, random),
    loss: (params, batch, { random }) => unfoldingLoss(model, params, batch, random, options),
  };
}

/**
 * The networks of the 46.94 M parameters that the paper reports, 8 of these; an inference from the number, as it names no
 * architecture. Its cEDM of 138.28 M is `publishedCedm`.
 */
export const publishedUnfolding = {
  iterations: 8,
  network: {
    img_resolution: 256,
    img_channels: 3,
    model_channels: 32,
    channel_mult: [1, 1, 2, 2, 4, 4],
    num_blocks: 1,
    attn_resolutions: [16],
  } satisfies OfficialEdm,
} as const;
