import { lincomb } from "../../kernels/lincomb.ts";
import type { Rng } from "../../kernels/random.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** y + sigma n, n ~ N(0, 1), both in signed units: a picture spans [-1, 1], so sigma is twice that of [0, 1]. */
export function addNoise(y: Tensor, sigma: number, rng: Rng): Tensor {
  if (!(sigma >= 0 && sigma < Number.POSITIVE_INFINITY))
    throw new RangeError(`addNoise: sigma must be 0 or more, got ${sigma}`);
  return scope(() => lincomb(1, y, sigma, rng.normal(y.shape)));
}
