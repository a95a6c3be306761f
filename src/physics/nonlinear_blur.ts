import { affine, clamp } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { crop, pad } from "../../kernels/pad.ts";
import type { Rng } from "../../kernels/random.ts";
import { ShapeError } from "../errors.ts";
import { nonlinear, type Operator } from "../linalg/operator.ts";
import { scope } from "../tensor/scope.ts";
import type { Shape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { pictureOf } from "./picture_shape.ts";

/** Sides that the network of Tran et al. takes: multiples of this, one number of the latent kernel for each. */
const MULTIPLE = 128;
const cells = (n: number) => Math.ceil(n / MULTIPLE);

/** A latent kernel for pictures of this shape, [1, H/128, W/128, channels] rounded up: 1.2 n, n ~ N(0, 1), as DAPS draws it. */
export function blurLatent(shape: Shape, rng: Rng, { channels = 512, scale = 1.2 } = {}): Tensor {
  const [H, W] = pictureOf("blurLatent", shape);
  return scope(() => lincomb(scale, rng.normal([1, cells(H), cells(W), channels])));
}

/**
 * The blur of a network [Tran et al. 2021], G(u, k) on pictures in [0, 1] with a latent kernel k:
 *   A(x) = clamp(2 G((x + 1)/2, k) - 1, -1, 1)
 * `network` is that of `kernelWizard` with its weights, u to G(u, k). Not linear; the gradient is backpropagated. Sides that are
 * no multiples of 128 are extended by reflection, and cut again.
 */
export function nonlinearBlur(shape: Shape, network: (u: Tensor, k: Tensor) => Tensor, k: Tensor): Operator {
  const domain = pictureOf("nonlinearBlur", shape);
  const [H, W] = domain;
  if (k.shape.length !== 4 || k.shape[1] !== cells(H) || k.shape[2] !== cells(W))
    throw new ShapeError(
      `nonlinearBlur: a picture [${domain.join(", ")}] takes a latent kernel [1, ${cells(H)}, ${cells(W)}, channels], got [${k.shape.join(", ")}]`,
    );
  const whole = [cells(H) * MULTIPLE, cells(W) * MULTIPLE] as const;
  return nonlinear({
    name: "nonlinearBlur",
    domain,
    range: domain,
    holds: k,
    apply: (x) =>
      scope(() => {
        let u = affine(x, 0.5, 0.5);
        // one reflection reaches no further than the picture: small ones take several
        for (let [h, w] = [H, W]; h < whole[0] || w < whole[1]; [, h, w] = u.shape as [number, number, number]) {
          if ((h === 1 && h < whole[0]) || (w === 1 && w < whole[1]))
            throw new ShapeError(`nonlinearBlur: a line of one pixel cannot be extended, got [${domain.join(", ")}]`);
          u = pad(u, [0, Math.min(h - 1, whole[0] - h), 0, Math.min(w - 1, whole[1] - w)], "reflect");
        }
        return crop(clamp(affine(network(u, k), 2, -1), -1, 1), [0, 0, H, W]);
      }),
  });
}
