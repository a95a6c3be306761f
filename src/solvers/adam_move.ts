import { div } from "../../kernels/broadcast.ts";
import { affine, sqrt, square } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";

export interface Moments {
  readonly m: Tensor;
  readonly v: Tensor;
}

export interface AdamMoveOptions {
  lr: number;
  beta1?: number;
  beta2?: number;
  eps?: number;
  /** Exponent of the bias corrections: the number of gradients so far, this one included. */
  step: number;
}

/** What Adam would subtract from the picture whose gradient is g, and its new moments. Changes nothing in place. */
export function adamMove(
  g: Tensor,
  { m, v }: Moments,
  { lr, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, step }: AdamMoveOptions,
): Moments & { move: Tensor } {
  return scope(() => {
    const [m2, v2] = [lincomb(beta1, m, 1 - beta1, g), lincomb(beta2, v, 1 - beta2, square(g))];
    const size = affine(sqrt(v2), 1 / Math.sqrt(1 - beta2 ** step), eps);
    return { move: div(lincomb(lr / (1 - beta1 ** step), m2), size), m: m2, v: v2 };
  });
}
