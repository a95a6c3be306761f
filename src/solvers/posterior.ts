import { sub } from "../../kernels/broadcast.ts";
import { sqrt } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { mean, sumSquares } from "../../kernels/reduce.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";

/**
 * What samples of one posterior say of each pixel: their mean, and their standard deviation (over n - 1; 0 for one sample).
 * From [N, H, W, C], as a run with `samples: N` gives them, to [1, H, W, C].
 */
export function posterior(samples: Tensor): { mean: Tensor; std: Tensor } {
  const n = samples.shape[0] as number;
  return scope(() => {
    const centre = mean(samples, { axes: [0], keep: true });
    const spread = sumSquares(sub(samples, centre), { axes: [0], keep: true });
    return { mean: centre, std: sqrt(lincomb(1 / Math.max(1, n - 1), spread)) };
  });
}
