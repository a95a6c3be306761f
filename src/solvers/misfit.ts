import { div, keep } from "../../kernels/broadcast.ts";
import { sqrt } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { sumSquares } from "../../kernels/reduce.ts";
import { reshape } from "../../kernels/reshape.ts";
import { vjp } from "../autograd/vjp.ts";
import type { Operator } from "../linalg/operator.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** r = A(x) - y, and J^T r, J the derivative of A at x: the gradient of |A(x) - y|^2/2. For any operator. */
export const misfit = (A: Operator, x: Tensor, y: Tensor): { r: Tensor; gradient: Tensor } =>
  scope(() => {
    const { value, pullback } = vjp(A.apply, x);
    const r = lincomb(1, value, -1, y);
    return { r, gradient: pullback(r)[0] };
  });

/** |t| of each sample, [N, 1, 1, 1], so that it goes with pictures. */
export const norms = (t: Tensor): Tensor =>
  reshape(sqrt(sumSquares(t, { axes: t.shape.map((_, i) => i).slice(1) })), [t.shape[0] as number, 1, 1, 1]);

/** g/|t| for each sample, 0 where t is 0. */
export const over = (g: Tensor, t: Tensor): Tensor =>
  scope(() => {
    const norm = norms(t);
    return keep(norm, div(g, norm));
  });
