import { affine } from "../../kernels/elementwise.ts";
import { scope } from "../tensor/scope.ts";
import { type Denoiser, times } from "./denoiser.ts";

/**
 * The exact denoiser of pixels that are independent N(m, c): a prior whose posterior is known, to try solvers on.
 *   D(x; s) = m + c/(c + s^2) (x - m)
 */
export function gaussian({
  mean: m = 0,
  variance: c = 0.25,
  channels = 1,
  sigmaMin = 0.002,
  sigmaMax = 80,
} = {}): Denoiser {
  const gain = (s: number) => c / (c + s * s);
  const call: (...a: Parameters<Denoiser>) => ReturnType<Denoiser> = (x, sigma) => {
    if (typeof sigma === "number") return affine(x, gain(sigma), m * (1 - gain(sigma)));
    return scope(() => affine(times(sigma.map(gain), affine(x, 1, -m)), 1, m));
  };
  return Object.assign(call, { sigmaMin, sigmaMax, channels, multipleOf: 1 });
}
