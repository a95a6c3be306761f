import { mul, sub } from "../../kernels/broadcast.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { dot } from "../../kernels/reduce.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { orthogonal } from "./gmres.ts";

/** What Anderson's acceleration remembers: differences of g(x) and of g(x) - x, and the last of each. */
export interface Anderson {
  readonly pairs: readonly { readonly p: Tensor; readonly q: Tensor }[];
  readonly last?: { readonly g: Tensor; readonly f: Tensor };
}

/**
 * Anderson's acceleration [Anderson 1965; Walker & Ni 2011] of x = g(x): the step of least residual among the last few.
 *   f = g(x) - x      c = argmin |f - sum_j c_j q_j|      x' = g(x) - sum_j c_j p_j      p_j, q_j: differences of g and of f
 * The q_j are kept orthogonal, the p_j combined alike, so c_j = <q_j, f> and nothing has to be solved on the host. Each sample
 * has its own c. For linear g it is GMRES, restarted by forgetting the oldest of `memory` directions.
 *
 * @returns the next x and what to remember
 */
export function anderson(
  x: Tensor,
  gx: Tensor,
  { pairs, last }: Anderson,
  { memory = 5 } = {},
): { x: Tensor; remembered: Anderson } {
  const axes = x.shape.map((_, i) => i).slice(1);
  return scope(() => {
    const f = sub(gx, x);
    const old = memory > 1 ? pairs.slice(1 - memory) : [];
    const fresh = last ? [orthogonal({ p: sub(gx, last.g), q: sub(f, last.f) }, old, axes)] : [];
    const kept = [...old, ...fresh];
    const next = kept.reduce((sum, { p, q }) => sub(sum, mul(dot(q, f, { axes, keep: true }), p)), lincomb(1, gx));
    return { x: next, remembered: { pairs: kept, last: { g: gx, f } } };
  });
}
