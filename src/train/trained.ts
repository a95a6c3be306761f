import { affine } from "../../kernels/elementwise.ts";
import type { Rng } from "../../kernels/random.ts";
import { type Denoiser, times } from "../diffusion/denoiser.ts";
import { type Network, precondition } from "../diffusion/precondition.ts";
import { initParams, type Net, type Params } from "../nets/net.ts";
import type { Flat } from "../tensor/flat.ts";
import { scope } from "../tensor/scope.ts";

/** A denoiser whose parameters are trained. */
export interface Trained {
  init(random: Rng): Flat;
  /** The denoiser that it is with these parameters. */
  denoiser(params: Params): Denoiser;
}

/**
 * A network under a preconditioning, as `(F) => precondition.edm(F)`. `scale` multiplies the label that this gives: 1000 for
 * ADM's embedding of c_noise.
 */
export const trainedNet = (net: Net, wrap: (F: Network) => Denoiser, { scale = 1 } = {}): Trained => ({
  init: (random) => initParams(net, random),
  denoiser: (params) =>
    wrap((x, t) =>
      net.apply(
        params,
        x,
        t.map((v) => scale * v),
      ),
    ),
});

/**
 * A network that gives the score of pictures in [0, 1], told sigma, as score_sde's NCSN++ does:
 *   D(x; s) = x + s^2/2 score((x + 1)/2, s/2)
 * `sigmaMin` and `sigmaMax` are those of its configuration, of pictures in [0, 1]: .01 and 50 for CIFAR, .01 and 378 for LSUN.
 */
export const trainedScore = (
  net: Net,
  { sigmaMin = 0.01, sigmaMax = 50 }: { sigmaMin?: number; sigmaMax?: number } = {},
): Trained => ({
  init: (random) => initParams(net, random),
  denoiser: (params) =>
    precondition.ve(
      (x, logHalf) =>
        scope(() => {
          const own = logHalf.map(Math.exp); // the label is ln(s/2)
          return times(own, net.apply(params, affine(x, 0.5, 0.5), own));
        }),
      {
        channels: net.inChannels,
        multipleOf: net.multipleOf,
        sigmaMin: 2 * sigmaMin,
        sigmaMax: 2 * sigmaMax,
      },
    ),
});
