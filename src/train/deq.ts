/**
 * Deep equilibrium: gradients through a fixed point x = g(x) without the iterations that led there.
 *   dx/dtheta = (1 - J)^-1 dg/dtheta,   J = dg/dx at x      [Bai 2019; MUPET, eq. 4]
 * Jacobian-free backpropagation takes 1 for (1 - J)^-1: one application of g is differentiated, and where g contracts the result
 * still points downhill [Fung 2022].
 */
import { lincomb } from "../../kernels/lincomb.ts";
import { constant, vjp } from "../autograd/vjp.ts";
import { broyden } from "../linalg/broyden.ts";
import { conjugateGradients, type IterationOptions } from "../linalg/cg.ts";
import { gmres } from "../linalg/gmres.ts";
import { op } from "../tensor/op.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";

export { type Settled, type SettleOptions, settle, told } from "./settle.ts";

export interface FixedPointOptions extends IterationOptions {
  /**
   * Jacobian-free, or exact by solving w - J^T w = dL/dx with vector-Jacobian products of g. "gmres" and "broyden" take any g that
   * contracts; "cg" needs a symmetric J, which a gradient step on a potential has.
   */
  gradient?: "jacobian-free" | "gmres" | "broyden" | "cg";
}

type Map = (x: Tensor) => Tensor;
const SOLVERS = {
  gmres: (M: Map, v: Tensor, options: IterationOptions) => gmres(M, v, options).x,
  cg: (M: Map, v: Tensor, options: IterationOptions) => conjugateGradients(M, v, options).x,
  broyden: (M: Map, v: Tensor, options: IterationOptions) =>
    broyden((w) => lincomb(1, v, -1, M(w)), lincomb(0, v), options).x,
};

/** What g gives, with the cotangent v turned into w = (1 - J^T)^-1 v on its way back into g. */
const implicit = op<{ g: Map; by: keyof typeof SOLVERS; options: IterationOptions }>({
  name: "implicit",
  forward: ([out, x]) => ({ out: lincomb(1, out as Tensor), saved: [x] }),
  vjp: (v, [x]: [Tensor], { g, by, options }) => [
    constant(() =>
      scope(() => {
        const { pullback } = vjp(g, x);
        return SOLVERS[by]((w) => lincomb(1, w, -1, pullback(w)[0]), v, options);
      }),
    ),
    null,
  ],
  firstOrder: true,
});

/**
 * g at its fixed point x (found by `settle`), for a loss to be taken of: the gradient flows into whatever g is made of, and x is
 * a constant. `iterations` and `tol` are those of the exact solve.
 */
export function atFixedPoint(
  g: Map,
  x: Tensor,
  { gradient = "jacobian-free", ...options }: FixedPointOptions = {},
): Tensor {
  return scope(() => {
    const still = constant(() => lincomb(1, x));
    const out = g(still);
    return gradient === "jacobian-free" ? out : implicit([out, still], { g, by: gradient, options });
  });
}
