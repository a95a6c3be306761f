import { broadcastTo, mul } from "../../kernels/broadcast.ts";
import { mean } from "../../kernels/reduce.ts";
import { reshape } from "../../kernels/reshape.ts";
import { transpose } from "../../kernels/transpose.ts";
import { ShapeError } from "../errors.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Denoiser, eachSigma, type Sigma } from "./denoiser.ts";

/**
 * A denoiser of complex pictures, f32 [N, H, W, 2], from one of real pictures: real and imaginary parts are denoised apart, as
 * grey pictures. It is exact where the two are independent under the prior, which those of one picture are not: it does not
 * know that edges lie at the same place in both. A denoiser of colours sees the part in all three channels, where its noise
 * is the same in each; along grey that is sqrt(3) times as much as independent noise, so it is told sqrt(3) s, and the mean
 * of its channels is taken. One of two channels is taken as it is.
 */
export function onParts(denoiser: Denoiser): Denoiser {
  const { channels, multipleOf, fixedSize } = denoiser;
  if (channels === 2) return denoiser;
  const root = Math.sqrt(channels);
  const call = (x: Tensor, sigma: Sigma): Tensor => {
    const [N, H, W, C] = x.shape as [number, number, number, number];
    if (x.shape.length !== 4 || C !== 2 || x.dtype !== "f32")
      throw new ShapeError(`onParts: expected f32 [N, H, W, 2], got ${x.dtype} [${x.shape.join(", ")}]`);
    const levels = typeof sigma === "number" ? sigma : sigma.flatMap((s) => [s, s]);
    return scope(() => {
      const apart = reshape(transpose(reshape(x, [N, H * W, 2])), [2 * N, H, W, 1]);
      const seen = channels === 1 ? apart : broadcastTo(apart, [2 * N, H, W, channels]);
      const out = denoiser(
        seen,
        eachSigma(levels, (s) => root * s),
      );
      const grey = channels === 1 ? out : mean(out, { axes: [3], keep: true });
      return reshape(transpose(reshape(grey, [N, 2, H * W])), [N, H, W, 2]);
    });
  };
  return Object.assign(call, {
    sigmaMin: denoiser.sigmaMin / root,
    sigmaMax: denoiser.sigmaMax / root,
    channels: 2,
    multipleOf,
    ...(fixedSize !== undefined && { fixedSize }),
  });
}

/**
 * What the denoiser says of pictures known to be 0 where `support` is, elsewhere 1; f32 [H, W, 1]. Where no coil sees anything
 * nothing else would hold a sampler back from drawing a picture of its own.
 */
export const within = (denoiser: Denoiser, support: Tensor): Denoiser =>
  Object.assign((x: Tensor, sigma: Sigma): Tensor => scope(() => mul(support, denoiser(x, sigma))), denoiser);
