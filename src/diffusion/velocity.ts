import { lincomb } from "../../kernels/lincomb.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Denoiser } from "./denoiser.ts";

/**
 * The velocity field of any denoiser, for methods written for flow matching; `precondition.flow` is the way back.
 *   x_t = t x0 + (1 - t) noise, 0 < t < 1      v(x_t; t) = E[x0 - noise | x_t] = (D(x_t/t; (1 - t)/t) - x_t)/(1 - t)
 */
export const velocity =
  (denoiser: Denoiser) =>
  (x: Tensor, t: number): Tensor => {
    if (!(t > 0 && t < 1)) throw new RangeError(`velocity: t must lie between 0 (noise) and 1 (picture), got ${t}`);
    return scope(() => lincomb(1 / (1 - t), denoiser(lincomb(1 / t, x), (1 - t) / t), -1 / (1 - t), x));
  };
