import { affine } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import type { LinearOperator, Operator } from "../linalg/operator.ts";
import { scope } from "../tensor/scope.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import { eachSigma, type Reconstructor, type Sigma } from "./denoiser.ts";

/**
 * A network of pictures u in [0, 1] that sees their measurement A u, as a reconstructor of pictures x = 2 u - 1 from y = A x + n:
 *   A u = (y + A 1)/2, with noise of half the deviation
 * For linear A: the measurement of a picture of ones is subtracted out.
 */
export const unitRange =
  (f: (y: Tensor, A: LinearOperator, noise: { sigma?: Sigma }) => Tensor): Reconstructor =>
  (y: Tensor, A: Operator, { sigma } = {}) =>
    scope(() => {
      const shape = [y.shape[0] as number, ...A.domain];
      const ones = tensor(shape, new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1));
      const seen = lincomb(0.5, y, 0.5, A.apply(ones));
      const noise = sigma === undefined ? {} : { sigma: eachSigma(sigma, (s) => s / 2) };
      return affine(f(seen, A as LinearOperator, noise), 2, -1);
    });
