import { div } from "../../kernels/broadcast.ts";
import { sqrt } from "../../kernels/elementwise.ts";
import { rng } from "../../kernels/random.ts";
import { sumSquares } from "../../kernels/reduce.ts";
import { asComplex, asReal } from "../../kernels/reshape.ts";
import { dispose, scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { white } from "./dot_test.ts";
import { iterate } from "./iterate.ts";
import type { LinearOperator } from "./operator.ts";

/** x / |x|. */
const unit = (x: Tensor): Tensor => {
  if (x.dtype === "c64") return asComplex(unit(asReal(x)));
  return div(x, sqrt(sumSquares(x)));
};

/**
 * The largest singular value of A, from below: x <- A^T A x / |A^T A x|, then |A x|. Converges as (s2/s1)^(2 k), so slowly where
 * many singular values crowd near the largest; the estimate is good long before the vector is.
 */
export async function powerMethod(A: LinearOperator, { iterations = 50, seed = 0 } = {}): Promise<number> {
  const size = scope(() => {
    const first = unit(white(rng(seed), [1, ...A.domain], A.domainType));
    const x = iterate(iterations, first, (v) => unit(A.adjoint(A.apply(v))));
    return sqrt(sumSquares(A.apply(x)));
  });
  try {
    return (await size.read())[0] as number;
  } finally {
    dispose(size);
  }
}
