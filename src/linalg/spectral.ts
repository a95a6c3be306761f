import { lincomb } from "../../kernels/lincomb.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** A function of a singular value. */
export type OfSingular = (s: number) => number;

/**
 * A = U S V^T, told by the maps that follow from it and not by its vectors: methods that treat every singular value apart
 * need no more. White noise is white in the basis V too, so V f(S) V^T z is noise of standard deviation f(s) along each.
 */
export interface Spectral {
  /** V f(S) V^T x, for x of the domain. What A does not see has s = 0. */
  inside(x: Tensor, f: OfSingular): Tensor;
  /** V f(S) U^T y, for y of the range, f(0) taken as 0. */
  back(y: Tensor, f: OfSingular): Tensor;
}

/** That of an A whose singular values are all s or 0: A^T A / s^2 is a projector. */
export function oneSingularValue(s: number, apply: (x: Tensor) => Tensor, adjoint: (y: Tensor) => Tensor): Spectral {
  return {
    inside: (x, f) =>
      scope(() => {
        const [seen, unseen] = [f(s), f(0)];
        return seen === unseen ? lincomb(seen, x) : lincomb(unseen, x, (seen - unseen) / s ** 2, adjoint(apply(x)));
      }),
    back: (y, f) => scope(() => lincomb(f(s) / s, adjoint(y))),
  };
}

/** That of c A. */
export const scaledSpectral = (c: number, { inside, back }: Spectral): Spectral => ({
  inside: (x, f) => inside(x, (s) => f(Math.abs(c) * s)),
  back: (y, f) => back(y, (s) => s && Math.sign(c) * f(Math.abs(c) * s)),
});
