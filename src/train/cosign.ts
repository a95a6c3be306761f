import type { Rng } from "../../kernels/random.ts";
import { mean } from "../../kernels/reduce.ts";
import { combine, type Denoiser, type Reconstructor, times } from "../diffusion/denoiser.ts";
import { type PreconditionOptions, precondition } from "../diffusion/precondition.ts";
import { type ControlNet, controlStart } from "../nets/controlnet.ts";
import type { Params } from "../nets/net.ts";
import { bridgeStart } from "../solvers/i2sb.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { consistencyGrid } from "./consistency.ts";
import { type Distance, squaredError } from "./distance.ts";
import type { Recipe } from "./recipe.ts";

export interface GuidedOptions extends Pick<PreconditionOptions, "sigmaMin" | "sigmaMax"> {
  sigmaData?: number;
}

/** The frozen consistency model of `base` under a control: f(x; s) = c_skip x + c_out F(c_in x, c_in hint; 250 ln s). */
export const guided = (
  control: ControlNet,
  own: Params,
  base: Params,
  hint: Tensor,
  { sigmaData = 0.5, ...range }: GuidedOptions = {},
): Denoiser =>
  precondition.consistency(
    (x, label) => {
      const cIn = label.map((l) => 1 / Math.hypot(Math.exp(l / 250), sigmaData));
      return control.apply(own, x, label, times(cIn, hint), base);
    },
    { sigmaData, channels: control.inChannels, multipleOf: control.multipleOf, ...range },
  );

/** What the network is shown of a measurement: itself where it is a picture of the same shape, else A^+ y. */
export const hintOf = bridgeStart;

/** The problem's `model` for `cosign`, the solver. */
export const cosignModel =
  (control: ControlNet, own: Params, base: Params, options: GuidedOptions = {}): Reconstructor =>
  (y, A, { x, sigma } = {}) => {
    if (!x || sigma === undefined) throw new TypeError("cosign: the model expects a state x and its sigma");
    return scope(() => guided(control, own, base, hintOf(A, y), options)(x, sigma));
  };

/**
 * The loss of CoSIGN [Zhao 2024]: one call must restore from every level of the grid,
 *   x = x0 + s z      loss = mean of d(f(x; s, hint), x0)      s uniform over the grid without its last, z ~ N(0, 1)
 *
 * @param f the model of this batch's hints
 */
export function cosignLoss(
  f: Denoiser,
  x0: Tensor,
  random: Rng,
  { levels = consistencyGrid(f), distance = squaredError }: { levels?: readonly number[]; distance?: Distance } = {},
): Tensor {
  return scope(() => {
    const N = x0.shape[0] as number;
    const s = Array.from({ length: N }, () => levels[random.integer(0, levels.length - 2)] as number);
    const x = combine(1, x0, s, random.normal(x0.shape));
    return mean(distance(f(x, s), x0));
  });
}

/** Pictures, and what is measured of each in its own shape. */
export type Hinted = { readonly x0: Tensor; readonly hint: Tensor };

export interface CosignTraining extends GuidedOptions {
  control: ControlNet;
  /** The frozen consistency model. */
  base: Params;
  batch(random: Rng): Promise<Hinted>;
  /** Published: LPIPS. */
  distance?: Distance;
  levels?: readonly number[];
}

/** A ControlNet that guides a frozen consistency model by measurements. Published: learning rate 5e-5, batch 4, 50,000 steps. */
export function cosignTraining({ control, base, batch, distance, levels, ...options }: CosignTraining): Recipe<Hinted> {
  return {
    name: "cosign",
    init: (random) => controlStart(control, base, random),
    batch,
    loss: (own, { x0, hint }, { random }) =>
      cosignLoss(guided(control, own, base, hint, options), x0, random, {
        ...(distance && { distance }),
        ...(levels && { levels }),
      }),
  };
}
