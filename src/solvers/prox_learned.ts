import { lincomb } from "../../kernels/lincomb.ts";
import { dot } from "../../kernels/reduce.ts";
import { reshape } from "../../kernels/reshape.ts";
import { numberOf, slopesOf, type Weight } from "../autograd/learned.ts";
import type { LinearOperator } from "../linalg/operator.ts";
import { proxL2 } from "../linalg/prox_l2.ts";
import { op } from "../tensor/op.ts";
import type { Tensor } from "../tensor/tensor.ts";

interface Options {
  A: LinearOperator;
  rho: Weight;
}

const apply = op<Options>({
  name: "proxLearned",
  forward([v, y], { A, rho }) {
    const x = proxL2(A, v as Tensor, y as Tensor, numberOf(rho));
    return { out: x, saved: [v, y, x] };
  },
  // (A^T A + rho) x = A^T y + rho v, so with w = rho (A^T A + rho)^-1 dx: dv = w, dy = A w/rho, drho = <w, v - x>/rho
  vjp(dx, [v, y, x]: [Tensor, Tensor, Tensor], { A, rho }, needs) {
    const r = numberOf(rho);
    const w = proxL2(A, dx, lincomb(0, y), r);
    const slope = () => reshape(dot(w, lincomb(1 / r, v, -1 / r, x)), [1]);
    const drho = needs.slice(2).includes(true) ? slope() : undefined;
    return [
      needs[0] ? w : null,
      needs[1] ? lincomb(1 / r, A.apply(w)) : null,
      ...[...slopesOf(rho).values()].map((s, j) => (needs[2 + j] && drho ? lincomb(s, drho) : null)),
    ];
  },
});

/**
 * argmin over x of |Ax - y|^2/2 + rho |x - v|^2/2, as `proxL2`, where rho > 0 may be learned: its gradient is exact, and
 * costs no more than that in v. Finite rho only.
 */
export const proxLearned = (A: LinearOperator, v: Tensor, y: Tensor, rho: Weight): Tensor =>
  typeof rho === "number" ? proxL2(A, v, y, rho) : apply([v, y, ...rho.slopes.keys()], { A, rho });
