import { mul, sub } from "../../kernels/broadcast.ts";
import { concat } from "../../kernels/concat.ts";
import { square } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import type { Rng } from "../../kernels/random.ts";
import { mean } from "../../kernels/reduce.ts";
import { type Bridge, bridge, bridgeDenoiser } from "../diffusion/bridge.ts";
import { combine, type Reconstructor, times } from "../diffusion/denoiser.ts";
import type { Net, Params } from "../nets/net.ts";
import { bridgeStart } from "../solvers/i2sb.ts";
import type { Flat } from "../tensor/flat.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Recipe } from "./recipe.ts";

/** A picture, its degraded form in its own shape, and for inpainting 1 where it is to be learnt [N, H, W, 1], 0 elsewhere. */
export type BridgePair = {
  readonly x0: Tensor;
  readonly x1: Tensor;
  readonly hole?: Tensor;
};

export interface I2sbLossOptions {
  of?: Bridge;
  /** No noise on the way. */
  otOde?: boolean;
  /** The network sees x1 beside the state. */
  condX1?: boolean;
}

/**
 * The loss of a Schrödinger bridge [Liu 2023, algorithm 1], i uniform over its indices:
 *   x = toX0 x0 + toX1 x1 + std z       loss = mean of (F(x, time_i) - (x - x0)/f_i)^2,  f = `forward`
 */
export function i2sbLoss(
  F: (x: Tensor, time: number[]) => Tensor,
  { x0, x1, hole }: BridgePair,
  random: Rng,
  { of = bridge(), otOde = false, condX1 = false }: I2sbLossOptions = {},
): Tensor {
  return scope(() => {
    const N = x0.shape[0] as number;
    const picks = Array.from({ length: N }, () => random.integer(0, of.time.length - 1));
    const at = picks.map(of.at);
    const from = combine(
      at.map(({ toX0 }) => toX0),
      x0,
      at.map(({ toX1 }) => toX1),
      x1,
    );
    const std = at.map((a) => a.std);
    const x = otOde ? from : combine(1, from, std, random.normal(x0.shape));
    const rate = picks.map((i) => 1 / (of.forward[i] as number));
    const target = times(rate, lincomb(1, x, -1, x0));
    const time = picks.map((i) => of.time[i] as number);
    const error = sub(F(condX1 ? concat([x, x1]) : x, time), target);
    return mean(square(hole ? mul(error, hole) : error));
  });
}

export interface I2sbTraining extends I2sbLossOptions {
  /** Of the state and, with `condX1`, of x1 beside it: twice the channels. Published: ADM of ImageNet at 256, 3 channels out. */
  net: Net;
  /** Published: the parameters of the unconditional diffusion model. */
  init(random: Rng): Flat;
  batch(random: Rng): Promise<BridgePair>;
}

/** A bridge from degraded pictures to pictures. Published: AdamW, learning rate 5e-5 times .99 every 1000 steps, batch 256, EMA .99. */
export const i2sbTraining = ({ net, init, batch, ...options }: I2sbTraining): Recipe<BridgePair> => ({
  name: "i2sb",
  init,
  batch,
  loss: (params, pair, { random }) => i2sbLoss((x, time) => net.apply(params, x, time), pair, random, options),
});

/** The network of these parameters for `i2sb`, the solver: a problem's `model`. */
export const i2sbModel =
  (net: Net, params: Params, { of = bridge(), condX1 = false }: I2sbLossOptions = {}): Reconstructor =>
  (y, A, { x, sigma } = {}) => {
    if (!x || sigma === undefined) throw new TypeError("i2sb: the model expects a state x and its sigma");
    return scope(() => {
      const x1 = condX1 ? bridgeStart(A, y) : undefined;
      const F = (v: Tensor, time: number[]) => net.apply(params, x1 ? concat([v, x1]) : v, time);
      return bridgeDenoiser(F, of, { channels: x.shape.at(-1) as number, multipleOf: net.multipleOf })(x, sigma);
    });
  };
