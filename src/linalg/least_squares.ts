import { lincomb } from "../../kernels/lincomb.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { conjugateGradients, type IterationOptions } from "./cg.ts";
import type { LinearOperator } from "./operator.ts";

export interface LeastSquaresOptions extends IterationOptions {
  /** Weight of |x - x0|^2 against |A x - y|^2. */
  lambda?: number;
  /** Where to begin, and what lambda draws to; 0 when left out. */
  x0?: Tensor;
}

/**
 * argmin over x of |A x - y|^2 + lambda |x - x0|^2 by conjugate gradients on the normal equations: (A^H A + lambda) d =
 * A^H (y - A x0), x = x0 + d. With coils it is CG-SENSE [Pruessmann 2001]. Without lambda the iterations themselves regularise:
 * what the measurement hardly sees, and its noise with it, comes last. `residual` [N, 1, ...] is that of the normal equations,
 * relative to where it began.
 */
export function leastSquares(
  A: LinearOperator,
  y: Tensor,
  { lambda = 0, x0, iterations = 30, tol = 1e-6 }: LeastSquaresOptions = {},
): { x: Tensor; residual: Tensor } {
  if (!(lambda >= 0)) throw new RangeError(`leastSquares: lambda must be 0 or more, got ${lambda}`);
  return scope(() => {
    const b = A.adjoint(x0 ? lincomb(1, y, -1, A.apply(x0)) : y);
    const normal = (x: Tensor) => (lambda ? lincomb(1, A.adjoint(A.apply(x)), lambda, x) : A.adjoint(A.apply(x)));
    const { x, residual } = conjugateGradients(normal, b, { iterations, tol });
    return { x: x0 ? lincomb(1, x0, 1, x) : x, residual };
  });
}
