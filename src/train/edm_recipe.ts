import type { Rng } from "../../kernels/random.ts";
import { combine, type Denoiser, times } from "../diffusion/denoiser.ts";
import { imagePictures } from "../io/image.ts";
import type { Params } from "../nets/net.ts";
import type { Flat } from "../tensor/flat.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type AugmentOptions, augmented } from "./augment.ts";
import { drawBatch, type Mix } from "./data.ts";
import { type EdmLossOptions, edmLoss } from "./edm_loss.ts";
import type { AdamOptions } from "./optimiser.ts";
import type { Recipe } from "./recipe.ts";

/** EDM's bare network, of the scaled picture and ln sigma per sample; of how each was augmented, if it takes that. */
export type EdmNetwork = (
  params: Params,
  x: Tensor,
  logSigma: readonly number[],
  augment?: readonly (readonly number[])[],
) => Tensor;

export interface EdmRecipeOptions extends EdmLossOptions {
  name?: string;
  init(random: Rng): Flat;
  F: EdmNetwork;
  data: readonly Mix[];
  /** Side of the crops. */
  size: number;
  batch: number;
  adam?: AdamOptions;
  /** Pictures are flipped, scaled, turned, stretched and shifted by chance; `edmAugment` as published. Left out: as they are. */
  augment?: AugmentOptions | undefined;
}

/** Levels of the sheet, of pictures in [-1, 1]. */
const SHOWN = [0.1, 0.4, 1.6];

/** Training on EDM's loss [Karras 2022, section 5]: a prior from nothing, or whatever of it `init` gives. */
export function edmRecipe({
  name = "edm",
  init,
  F,
  data,
  size,
  batch,
  adam,
  augment,
  ...loss
}: EdmRecipeOptions): Recipe<Tensor> {
  const { sigmaData: sd = 0.5 } = loss;
  const D = (params: Params, x: Tensor, s: readonly number[]): Tensor => {
    const total = (v: number) => Math.hypot(v, sd);
    const scaled = times(
      s.map((v) => 1 / total(v)),
      x,
    );
    const skip = s.map((v) => (sd / total(v)) ** 2);
    const out = s.map((v) => (v * sd) / total(v));
    return combine(skip, x, out, F(params, scaled, s.map(Math.log)));
  };
  return {
    ...{ name, init, ...(adam && { adam }) },
    batch: (random) => drawBatch(data, { size, count: batch }, random),
    loss: (params, pictures, { random }) => {
      const { x: x0, labels } = augment ? augmented(pictures, random, augment) : { x: pictures, labels: undefined };
      return edmLoss((x, logSigma) => F(params, x, logSigma, labels), x0, random, loss);
    },
    async sheet(params, { random }) {
      const count = 4;
      const x0 = await drawBatch(data, { size, count }, random);
      const made = scope(() =>
        SHOWN.flatMap((s) => {
          const each = new Array<number>(count).fill(s);
          const noisy = combine(1, x0, s, random.normal(x0.shape));
          return [noisy, D(params, noisy, each)];
        }),
      );
      const columns = await Promise.all([x0, ...made].map(imagePictures));
      for (const t of [x0, ...made]) t.dispose();
      return columns.map((pictures, i) => ({
        label: i ? (i % 2 ? `noise ${SHOWN[(i - 1) / 2]}` : "denoised") : "pictures",
        pictures,
      }));
    },
  };
}

/**
 * Any denoiser as EDM's bare network: F(c_in x; s) = (D(x; s) - c_skip x)/c_out, so that it is trained on the same loss.
 */
export const ofDenoiser =
  (denoiser: (params: Params) => Denoiser, sd = 0.5): EdmNetwork =>
  (params, scaled, logSigma) =>
    scope(() => {
      const s = logSigma.map(Math.exp);
      const total = s.map((v) => Math.hypot(v, sd));
      const x = times(total, scaled);
      const skip = s.map((v, i) => -sd / (v * (total[i] as number)));
      const out = s.map((v, i) => (total[i] as number) / (v * sd));
      return combine(out, denoiser(params)(x, s), skip, x);
    });
