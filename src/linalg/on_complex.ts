import { asComplex, asReal, reshape } from "../../kernels/reshape.ts";
import { transpose } from "../../kernels/transpose.ts";
import { scope } from "../tensor/scope.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type LinearOperator, linear } from "./operator.ts";

/** Complex [N, ...shape] as reals [2N, ...shape]: the real part of each sample, then the imaginary one. */
const apart = (z: Tensor, shape: Shape): Tensor => {
  const N = z.shape[0] as number;
  return reshape(transpose(reshape(asReal(z), [N, sizeOf(shape), 2])), [2 * N, ...shape]);
};
const together = (x: Tensor, shape: Shape): Tensor => {
  const N = (x.shape[0] as number) / 2;
  return asComplex(reshape(transpose(reshape(x, [N, 2, sizeOf(shape)])), [N, ...shape, 2]));
};

/** A real operator on complex pictures, c64 to c64: it acts on real and imaginary parts alike, and keeps all it knows. */
export function onComplex(A: LinearOperator): LinearOperator {
  const { domain, range, prox, pinv, spectral } = A;
  return linear({
    ...A,
    name: `complex ${A.name ?? "operator"}`,
    domainType: "c64",
    rangeType: "c64",
    apply: (x) => scope(() => together(A.apply(apart(x, domain)), range)),
    adjoint: (y) => scope(() => together(A.adjoint(apart(y, range)), domain)),
    ...(prox && {
      prox: (v, y, rho) => scope(() => together(prox(apart(v, domain), apart(y, range), rho), domain)),
    }),
    ...(pinv && { pinv: (y, eta) => scope(() => together(pinv(apart(y, range), eta), domain)) }),
    ...(spectral && {
      spectral: {
        inside: (x, f) => scope(() => together(spectral.inside(apart(x, domain), f), domain)),
        back: (y, f) => scope(() => together(spectral.back(apart(y, range), f), domain)),
      },
    }),
  });
}
