import { mul } from "../../kernels/broadcast.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import type { Rng } from "../../kernels/random.ts";
import { ddpmTable } from "../diffusion/schedules.ts";
import type { LinearOperator } from "../linalg/operator.ts";
import { initParams, type Params } from "../nets/net.ts";
import type { Consistent, Ssdiffrecon } from "../nets/ssdiffrecon.ts";
import { scope } from "../tensor/scope.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import { type HeldOut, heldOut, heldOutLoss, type SplitOptions } from "./kspace_split.ts";
import { type MriBatch, operatorOf } from "./mri_data.ts";
import type { Recipe } from "./recipe.ts";

/** Adam at 2e-3 after a linear warm-up, gradients cut to a norm of 1, one slice a step. */
export const SSDIFFRECON_PUBLISHED = {
  lr: 2e-3,
  warmup: 5000,
  maxNorm: 1,
  batch: 1,
  steps: 1000,
  inference: 5,
} as const;

export interface SsdiffreconTraining extends SplitOptions {
  readonly net: Ssdiffrecon;
  data(random: Rng): Promise<MriBatch>;
  /** Of the diffusion, beta linear from 1e-4 to .02 [1000]. */
  readonly steps?: number;
}

/**
 * x - A^H (A x - y): with sum |S|^2 = 1 and no noise this is the picture whose k-space is y where it was measured and that of x
 * elsewhere, summed over coils with conj(S).
 */
export const hardConsistency =
  (A: LinearOperator, y: Tensor): Consistent =>
  (x) =>
    scope(() => lincomb(1, x, -1, A.adjoint(lincomb(1, A.apply(x), -1, y))));

/** What the network makes of the part of k-space that it is shown, at random steps of the diffusion of its zero-filled picture. */
export function predicted(
  net: Ssdiffrecon,
  params: Params,
  batch: Pick<HeldOut, "y" | "mask" | "maps">,
  random: Rng,
  steps = 1000,
): Tensor {
  return scope(() => {
    const A = operatorOf(batch);
    const start = A.adjoint(batch.y);
    const N = start.shape[0] as number;
    const { alphaBar } = ddpmTable({ steps });
    const t = Array.from({ length: N }, () => random.integer(0, steps - 1));
    const each = (f: (a: number) => number) =>
      tensor(
        [N, 1, 1, 1],
        t.map((i) => f(alphaBar[i] as number)),
      );
    const noise = random.normal(start.shape);
    const xt = lincomb(
      1,
      mul(start, each(Math.sqrt)),
      1,
      mul(
        noise,
        each((a) => Math.sqrt(1 - a)),
      ),
    );
    return net.apply(params, xt, t, hardConsistency(A, batch.y));
  });
}

/**
 * SSDiffRecon's training [Korkmaz 2023], without any fully sampled picture: of the measured samples 95 % are Theta, the others
 * Lambda, anew for each batch.
 *   x = A_Theta^H y     x_t = sqrt(abar_t) x + sqrt(1 - abar_t) n     loss = mean |Lambda (F S net(x_t, t; y_Theta) - y)|
 * The released code makes "measured" samples from the coils' combined picture; here they are those that were measured.
 */
export function ssdiffreconRecipe({ net, data, steps = 1000, ...split }: SsdiffreconTraining): Recipe<HeldOut> {
  return {
    name: "ssdiffrecon",
    init: (random) => initParams(net, random),
    adam: { maxNorm: SSDIFFRECON_PUBLISHED.maxNorm },
    batch: heldOut(data, split),
    loss: (params, batch, { random }) => scope(() => heldOutLoss(predicted(net, params, batch, random, steps), batch)),
  };
}

/**
 * Its inference: `steps` [5] ancestral steps of a diffusion of that many steps, beta linear from 1e-4 to .02 over them, from the
 * zero-filled picture. Almost no noise is added then: abar ends at .95. x [N, H, W, 2]. In the released code the condition is
 * scaled by sqrt(abar_t), too, and predictions are cut to [-1, 1]; neither is done here.
 */
export function ssdiffreconSample(
  predict: (x: Tensor, t: number) => Tensor,
  start: Tensor,
  random: Rng,
  steps = 5,
): Tensor {
  // the table's ends rise where steps are few; here they stay
  const { beta, alphaBar } = ddpmTable({ steps, first: 1e-7 * steps, last: 2e-5 * steps });
  return scope(() => {
    let x = start;
    for (let t = steps - 1; t >= 0; t--) {
      const before = x;
      x = scope(() => {
        const [b, a, last] = [beta[t] as number, alphaBar[t] as number, t ? (alphaBar[t - 1] as number) : 1];
        const x0 = predict(before, t);
        const mean = lincomb((b * Math.sqrt(last)) / (1 - a), x0, ((1 - last) * Math.sqrt(1 - b)) / (1 - a), before);
        return t ? lincomb(1, mean, Math.sqrt(b), random.normal(mean.shape)) : mean;
      });
      if (before !== start) before.dispose();
    }
    return x;
  });
}
