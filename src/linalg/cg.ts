import { add, div, keep, mul, sub } from "../../kernels/broadcast.ts";
import { affine, relu, sqrt } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { dot, sumSquares } from "../../kernels/reduce.ts";
import { asComplex, asReal } from "../../kernels/reshape.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { iterate } from "./iterate.ts";

export interface IterationOptions {
  /** Steps taken, always; the GPU freezes a sample that has converged. */
  iterations?: number;
  /** A sample is done once |b - M x| <= tol |b|. */
  tol?: number;
}

/**
 * Conjugate gradients [Hestenes & Stiefel 1952] for M x = b from x = 0, M Hermitian and not negative, each sample its own system.
 *   a = <r, r> / <p, M p>      x += a p      r -= a M p      b = <r', r'> / <r, r>      p = r' + b p
 * Nothing is read back: the scalars stay on the GPU, and from the moment that a sample has converged its a is 0.
 * A complex Hermitian system is a real symmetric one of twice the size, with Re<.,.> as its inner product; so are they solved here.
 * `residual` [N] is |r| / |b| as the recursion knows it, to be reported and never branched on.
 */
export function conjugateGradients(
  M: (x: Tensor) => Tensor,
  b: Tensor,
  { iterations = 50, tol = 1e-6 }: IterationOptions = {},
): { x: Tensor; residual: Tensor } {
  if (b.dtype === "c64") {
    const { x, residual } = scope(() =>
      conjugateGradients((v) => asReal(M(asComplex(v))), asReal(b), { iterations, tol }),
    );
    return { x: asComplex(x), residual };
  }
  const axes = b.shape.map((_, i) => i).slice(1);
  return scope(() => {
    const bb = sumSquares(b, { axes, keep: true });
    const enough = affine(bb, tol ** 2, 0);
    const first = { x: lincomb(0, b), r: b, p: b, rr: bb };
    const { x, rr } = iterate(iterations, first, ({ x, r, p, rr }) => {
      const Mp = M(p);
      const active = relu(sub(rr, enough));
      const a = keep(active, div(rr, dot(p, Mp, { axes, keep: true })));
      const next = sub(r, mul(a, Mp));
      const rr2 = sumSquares(next, { axes, keep: true });
      return { x: add(x, mul(a, p)), r: next, p: add(next, mul(keep(active, div(rr2, rr)), p)), rr: rr2 };
    });
    // where b is 0, so is x, and the residual is that
    return { x, residual: sqrt(keep(bb, div(rr, bb))) };
  });
}
