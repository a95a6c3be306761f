import { add, div, keep, mul, sub } from "../../kernels/broadcast.ts";
import { affine, relu, sqrt } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { dot, sumSquares } from "../../kernels/reduce.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { IterationOptions } from "./cg.ts";
import { replaceState } from "./iterate.ts";

interface Update {
  readonly u: Tensor;
  readonly v: Tensor;
}

/**
 * Broyden's method [Broyden 1965, the "good" one] for f(x) = 0 from x0, f(x) = g(x) - x of a fixed point, each sample its own
 * system. H approximates the inverse of f's Jacobian: -1 at first, then by each step s = x' - x, y = f(x') - f(x)
 *   x' = x - H f(x)      H += u v^T      v = H^T s      u = (s - H y)/<v, y>
 * What deep equilibrium models find fixed points and their gradients by [Bai 2019]. Holds two tensors an iteration and reads
 * nothing back. `residual` [N, 1, ...] is |f(x)|/|f(x0)|; a sample is done at `tol` and stays.
 */
export function broyden(
  f: (x: Tensor) => Tensor,
  x0: Tensor,
  { iterations = 30, tol = 1e-6 }: IterationOptions = {},
): { x: Tensor; residual: Tensor } {
  const axes = x0.shape.map((_, i) => i).slice(1);
  const inner = (a: Tensor, b: Tensor) => dot(a, b, { axes, keep: true });
  return scope(() => {
    const updates: Update[] = [];
    /** H t, or H^T t. */
    const H = (t: Tensor, [into, along]: readonly ["u" | "v", "u" | "v"] = ["u", "v"]) =>
      updates.reduce((sum, w) => add(sum, mul(inner(w[along], t), w[into])), lincomb(-1, t));
    const first = f(x0);
    const most = sumSquares(first, { axes, keep: true });
    const enough = affine(most, tol ** 2, 0);
    let state = { x: lincomb(1, x0), r: first };
    for (let k = 0; k < iterations; k++) {
      const { update, ...next } = scope(() => {
        const active = relu(sub(sumSquares(state.r, { axes, keep: true }), enough));
        const s = keep(active, lincomb(-1, H(state.r)));
        const x = add(state.x, s);
        const r = f(x);
        const y = sub(r, state.r);
        const v = H(s, ["v", "u"]);
        const slope = inner(v, y);
        return { update: { u: keep(slope, div(sub(s, H(y)), slope)), v }, x, r };
      });
      updates.push(update);
      replaceState(state, next);
      state = next;
    }
    const rest = sumSquares(state.r, { axes, keep: true });
    return { x: state.x, residual: sqrt(keep(most, div(rest, most))) };
  });
}
