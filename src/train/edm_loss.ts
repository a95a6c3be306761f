import { mul } from "../../kernels/broadcast.ts";
import { square } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import type { Rng } from "../../kernels/random.ts";
import { mean } from "../../kernels/reduce.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";

export interface EdmLossOptions {
  sigmaData?: number;
  /** ln sigma ~ N(mean, std^2). */
  logMean?: number;
  logStd?: number;
}

/**
 * The denoising loss with EDM's weights [Karras 2022, section 5]:
 *   ln s ~ N(P_mean, P_std^2)     x = x0 + s z     loss = mean of w(s) (D(x; s) - x0)^2,  w = (s^2 + sd^2)/(s sd)^2
 * As w c_out^2 = 1 this is the mean of (F(c_in x, c_noise) - t)^2 with the target t = (x0 - c_skip x)/c_out,
 * which keeps its digits where s is small.
 *
 * @param F the bare network, of the scaled input and ln sigma per sample
 */
export function edmLoss(
  F: (x: Tensor, logSigma: readonly number[]) => Tensor,
  images: Tensor,
  rng: Rng,
  { sigmaData: sd = 0.5, logMean = -1.2, logStd = 1.2 }: EdmLossOptions = {},
): Tensor {
  const N = images.shape[0] as number;
  const logSigma = Array.from({ length: N }, () => logMean + logStd * rng.gaussian());
  const perSample = (f: (s: number) => number) =>
    tensor(
      [N, 1, 1, 1],
      logSigma.map((l) => f(Math.exp(l))),
    );
  const z = rng.normal(images.shape);
  const x = lincomb(
    1,
    images,
    1,
    mul(
      z,
      perSample((s) => s),
    ),
  );
  const total = (s: number) => Math.sqrt(s * s + sd * sd);
  // x0 - c_skip x = (s^2 x0 - sd^2 s z)/(s^2 + sd^2); dividing by c_out = s sd/sqrt(s^2 + sd^2):
  const target = lincomb(
    1,
    mul(
      images,
      perSample((s) => s / (sd * total(s))),
    ),
    -1,
    mul(
      z,
      perSample((s) => sd / total(s)),
    ),
  );
  const out = F(
    mul(
      x,
      perSample((s) => 1 / total(s)),
    ),
    logSigma,
  );
  return mean(square(lincomb(1, out, -1, target)));
}
