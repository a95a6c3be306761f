import { add, div, keep, mul, sub } from "../../kernels/broadcast.ts";
import { affine, relu, sqrt } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { dot, sumSquares } from "../../kernels/reduce.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { IterationOptions } from "./cg.ts";
import { replaceState } from "./iterate.ts";

/** A direction and its image under M, of unit length and orthogonal to the images before it. */
interface Pair {
  readonly p: Tensor;
  readonly q: Tensor;
}

/**
 * The iterates of GMRES [Saad & Schultz 1986] for M x = b from x = 0, by generalised conjugate residuals [Eisenstat 1983]:
 *   p = r, q = M p      made orthogonal to every q before, of length 1      a = <q, r>      x += a p      r -= a q
 * The residual is the least over the Krylov space, as GMRES's is, and no small system has to be solved on the host: nothing is
 * read back. Each sample is its own system, and M any matrix whose symmetric part is definite, as that of 1 - J is where J
 * contracts. Holds two tensors an iteration. `residual` [N, 1, ...] is |r|/|b|. A sample that has converged stays as it is.
 */
export function gmres(
  M: (x: Tensor) => Tensor,
  b: Tensor,
  { iterations = 30, tol = 1e-6 }: IterationOptions = {},
): { x: Tensor; residual: Tensor } {
  const axes = b.shape.map((_, i) => i).slice(1);
  return scope(() => {
    const bb = sumSquares(b, { axes, keep: true });
    const enough = affine(bb, tol ** 2, 0);
    const pairs: Pair[] = [];
    let state = { x: lincomb(0, b), r: lincomb(1, b) };
    for (let k = 0; k < iterations; k++) {
      const { pair, ...next } = scope(() => {
        const { x, r } = state;
        const active = relu(sub(sumSquares(r, { axes, keep: true }), enough));
        const { p, q } = orthogonal({ p: r, q: M(r) }, pairs, axes);
        const a = keep(active, dot(q, r, { axes, keep: true }));
        return { pair: { p, q }, x: add(x, mul(a, p)), r: sub(r, mul(a, q)) };
      });
      pairs.push(pair);
      replaceState(state, next);
      state = next;
    }
    const rest = sumSquares(state.r, { axes, keep: true });
    return { x: state.x, residual: sqrt(keep(bb, div(rest, bb))) };
  });
}

/**
 * The pair less its parts along the others' q, scaled to |q| = 1. Twice over, since f32 leaves some the first time. A pair that
 * lies in the span of the others, or is 0, becomes 0.
 */
export function orthogonal(pair: Pair, others: readonly Pair[], axes: readonly number[]): Pair {
  return scope(() => {
    const before = sumSquares(pair.q, { axes, keep: true });
    let { p, q } = pair;
    for (const other of [...others, ...others]) {
      const c = dot(other.q, q, { axes, keep: true });
      [p, q] = [sub(p, mul(c, other.p)), sub(q, mul(c, other.q))];
    }
    const after = sumSquares(q, { axes, keep: true });
    const fresh = relu(sub(after, affine(before, 1e-12, 0)));
    const length = sqrt(after);
    const unit = (t: Tensor) => keep(fresh, div(t, length));
    return { p: unit(p), q: unit(q) };
  });
}
