import { div, mul } from "../../kernels/broadcast.ts";
import { affine, square } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { meanPool } from "../../kernels/mean_pool.ts";
import { mean } from "../../kernels/reduce.ts";
import { ShapeError } from "../errors.ts";
import { scope } from "../tensor/scope.ts";
import { sameShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";

const SIDE = 7;
const UNBIAS = SIDE ** 2 / (SIDE ** 2 - 1);

/**
 * 1 - SSIM as fastMRI takes it for a loss [Zbontar 2018]: of 7 x 7 windows wholly inside, with unbiased covariance,
 *   1 - mean of (2 ma mb + C1)(2 cab + C2) / ((ma^2 + mb^2 + C1)(va + vb + C2)),   C1 = (.01 range)^2, C2 = (.03 range)^2
 * x and truth f32 [N, H, W, C]; `range` is the peak of each picture, [N, 1, 1, 1]. One number, `ssim` "uniform7" of
 * src/metrics in f32. A gradient flows to x and truth, of any order.
 */
export function ssimLoss(x: Tensor, truth: Tensor, range: Tensor): Tensor {
  if (!sameShape(x.shape, truth.shape) || x.shape.length !== 4)
    throw new ShapeError(`ssimLoss: expected two [N, H, W, C], got [${x.shape}] and [${truth.shape}]`);
  return scope(() => {
    const over = (t: Tensor) => meanPool(t, { size: SIDE, stride: 1 });
    // squares of numbers near the range lose digits that a unit of 1 keeps
    const [a, b] = [div(x, range), div(truth, range)];
    const [ma, mb] = [over(a), over(b)];
    const [pa, pb, pab] = [square(ma), square(mb), mul(ma, mb)];
    const both = lincomb(1, pa, 1, pb);
    const v = lincomb(UNBIAS, over(square(a)), UNBIAS, over(square(b)), -UNBIAS, both);
    const c = lincomb(UNBIAS, over(mul(a, b)), -UNBIAS, pab);
    const top = mul(affine(pab, 2, 0.01 ** 2), affine(c, 2, 0.03 ** 2));
    const bottom = mul(affine(both, 1, 0.01 ** 2), affine(v, 1, 0.03 ** 2));
    return affine(mean(div(top, bottom)), -1, 1);
  });
}
