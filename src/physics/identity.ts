import { lincomb } from "../../kernels/lincomb.ts";
import { type LinearOperator, linear } from "../linalg/operator.ts";
import type { Shape } from "../tensor/shape.ts";
import { pictureOf } from "./picture_shape.ts";

/** A = I: denoising. */
export function identity(shape: Shape): LinearOperator {
  const domain = pictureOf("identity", shape);
  return linear({
    name: "identity",
    domain,
    range: domain,
    norm: 1,
    isometric: 1,
    apply: (x) => lincomb(1, x),
    adjoint: (y) => lincomb(1, y),
    prox: (v, y, rho) => lincomb(1 / (1 + rho), y, rho / (1 + rho), v),
    pinv: (y, eta) => lincomb(1 / (1 + eta), y),
    spectral: { inside: (x, f) => lincomb(f(1), x), back: (y, f) => lincomb(f(1), y) },
  });
}
