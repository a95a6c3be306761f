import { complexAbs } from "../../kernels/complex.ts";
import type { Rng } from "../../kernels/random.ts";
import { asComplex, reshape } from "../../kernels/reshape.ts";
import { initParams, type Params } from "../nets/net.ts";
import type { Varnet } from "../nets/varnet.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { MriBatch } from "./mri_data.ts";
import type { Recipe } from "./recipe.ts";
import { ssimLoss } from "./ssim_loss.ts";

/** How fastMRI trains it: Adam at 1e-3, a tenth of that after 40 of 50 epochs, one slice a step. */
export const VARNET_PUBLISHED = { lr: 1e-3, decayEpochs: 40, decay: 0.1, epochs: 50, batch: 1 } as const;

export interface VarnetTraining {
  readonly net: Varnet;
  data(random: Rng): Promise<MriBatch>;
}

/** |x|, [N, H, W, 1], of real and imaginary parts [N, H, W, 2]. With sum |S|^2 = 1 the coils' root sum of squares. */
export const modulus = (x: Tensor): Tensor =>
  scope(() => {
    const [N, H, W] = x.shape as [number, number, number];
    return reshape(complexAbs(asComplex(reshape(x, [N, H, W, 1, 2]))), [N, H, W, 1]);
  });

/** The picture that VarNet makes of a batch, [N, H, W, 1]. */
export const varnetOf = (net: Varnet, params: Params, { y, mask, centre }: Omit<MriBatch, "x">): Tensor =>
  net.apply(params, y, { mask, centre });

/**
 * E2E-VarNet's training [Sriram 2020]: coils' k-space in, sensitivities estimated on the way, the magnitude compared:
 *   loss = 1 - SSIM(varnet(y), |x|),   range the largest |x| of the slice (fastMRI: of the volume)
 */
export function varnetRecipe({ net, data }: VarnetTraining): Recipe<MriBatch> {
  return {
    name: "varnet",
    init: (random) => initParams(net, random),
    batch: data,
    loss: (params, batch) => scope(() => ssimLoss(varnetOf(net, params, batch), modulus(batch.x), batch.peak)),
  };
}
