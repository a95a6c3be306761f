import type { Tensor } from "../tensor/tensor.ts";
import { psnr as psnrOf } from "./psnr.ts";
import { ssim as ssimOf } from "./ssim.ts";

/** PSNR of two pictures in [-1, 1], peak 2, unclamped. */
export const psnr = async (a: Tensor, b: Tensor): Promise<number> => psnrOf(await a.read(), await b.read());

/** SSIM of two pictures [1, H, W, C] in [-1, 1]: 11x11 Gaussian windows, mean of the channels. */
export async function ssim(a: Tensor, b: Tensor): Promise<number> {
  const [, height, width, channels] = a.shape as [number, number, number, number];
  return ssimOf(await a.read(), await b.read(), { width, height, channels });
}
