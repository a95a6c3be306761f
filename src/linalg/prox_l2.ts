import { lincomb } from "../../kernels/lincomb.ts";
import { op } from "../tensor/op.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { conjugateGradients, type IterationOptions } from "./cg.ts";
import type { LinearOperator } from "./operator.ts";

type Linear = (inputs: readonly Tensor[], options: Options) => Tensor;
interface Options extends IterationOptions {
  A: LinearOperator;
  rho: number;
}

/** (A^T A + rho)^-1 A^T r. */
const gain: Linear = op<Options>({
  name: "proxL2",
  forward: ([r], { A, rho, ...options }) => ({
    out: scope(
      () => conjugateGradients((x) => lincomb(1, A.adjoint(A.apply(x)), rho, x), A.adjoint(r as Tensor), options).x,
    ),
  }),
  vjp: (dx, _, options) => [gainAdjoint([dx], options)],
});

/** Its adjoint, (A A^T + rho)^-1 A u. */
const gainAdjoint: Linear = op<Options>({
  name: "proxL2Adjoint",
  forward: ([u], { A, rho, ...options }) => ({
    out: scope(
      () => conjugateGradients((y) => lincomb(1, A.apply(A.adjoint(y)), rho, y), A.apply(u as Tensor), options).x,
    ),
  }),
  vjp: (dy, _, options) => [gain([dy], options)],
});

/**
 * argmin over x of |Ax - y|^2/2 + rho |x - v|^2/2: the data step of every splitting method.
 *   x = v + (A^T A + rho)^-1 A^T (y - A v)
 * In closed form where the operator knows one, else by conjugate gradients, also differentiated so.
 * rho = 0 gives the limit from above, the least-squares solution nearest to v; rho = Infinity gives v.
 */
export function proxL2(A: LinearOperator, v: Tensor, y: Tensor, rho: number, options: IterationOptions = {}): Tensor {
  if (!(rho >= 0)) throw new RangeError(`proxL2: rho must be 0 or more, got ${rho}`);
  if (rho === Number.POSITIVE_INFINITY) return lincomb(1, v);
  if (rho > 0 && A.prox) return A.prox(v, y, rho);
  return scope(() => lincomb(1, v, 1, pinv(A, lincomb(1, y, -1, A.apply(v)), rho, options)));
}

/** A^T (A A^T + eta)^-1 y, the pseudo-inverse for eta = 0. By conjugate gradients where the operator knows no better. */
export function pinv(A: LinearOperator, y: Tensor, eta = 0, options: IterationOptions = {}): Tensor {
  if (!(eta >= 0)) throw new RangeError(`pinv: eta must be 0 or more, got ${eta}`);
  return A.pinv ? A.pinv(y, eta) : gain([y], { A, rho: eta, ...options });
}
