/** Measures of quality, of tensors. */
import { lincomb } from "../../kernels/lincomb.ts";
import type { Operator } from "../linalg/operator.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { nrmse as nrmseOf } from "./nrmse.ts";
import { psnr as psnrOf } from "./psnr.ts";
import { type Residual, residual as residualOf } from "./residual.ts";
import { type SsimVariant, ssim as ssimOf } from "./ssim.ts";

export { featureMoments, frechet, gatherMoments, type Moments } from "./fid.ts";
export { type Lpips, type LpipsNet, lpips } from "./lpips.ts";
export type { Residual, SsimVariant };

/** PSNR of two pictures in [-1, 1], peak 2, unclamped; with a range or clamped as papers have it, see psnr.ts. */
export const psnr = async (x: Tensor, truth: Tensor, options?: Parameters<typeof psnrOf>[2]): Promise<number> =>
  psnrOf(await x.read(), await truth.read(), options);

/** SSIM of two pictures [1, H, W, C] in [-1, 1]: 11x11 Gaussian windows, mean of the channels; see ssim.ts for variants. */
export async function ssim(
  x: Tensor,
  truth: Tensor,
  options: Pick<Parameters<typeof ssimOf>[2], "variant" | "range"> = {},
): Promise<number> {
  const [, height, width, channels] = x.shape as [number, number, number, number];
  return ssimOf(await x.read(), await truth.read(), { width, height, channels, ...options });
}

/** |x - truth| / |truth|, of real numbers or complex ones. */
export const nrmse = async (x: Tensor, truth: Tensor, options?: Parameters<typeof nrmseOf>[2]): Promise<number> =>
  nrmseOf(await x.read(), await truth.read(), options);

/** How well x explains y = A(x) + sigmaNoise n: mean square, its excess over the noise, and chi^2/m. */
export async function residual(
  { y, A, sigmaNoise }: { readonly y: Tensor; readonly A: Operator; readonly sigmaNoise: number },
  x: Tensor,
  options?: Parameters<typeof residualOf>[2],
): Promise<Residual> {
  using r = scope(() => lincomb(1, y, -1, A.apply(x)));
  return residualOf(await r.read(), sigmaNoise, options);
}
