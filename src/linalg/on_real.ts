import { asComplex, asReal, reshape } from "../../kernels/reshape.ts";
import { scope } from "../tensor/scope.ts";
import type { Shape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type LinearOperator, linear } from "./operator.ts";

/** Complex pictures [N, …, C] as real ones [N, …, 2C]: each number's two parts side by side. Real ones as they are. */
export const realView = (z: Tensor): Tensor => (z.dtype === "c64" ? reshape(asReal(z), doubled(z.shape)) : z);

/** The way back, to what the operator takes. */
export const viewFor = ({ domainType }: LinearOperator, x: Tensor): Tensor =>
  domainType === "c64" ? asComplex(reshape(x, [...x.shape.slice(0, -1), (x.shape.at(-1) as number) / 2, 2])) : x;

const doubled = (shape: Shape): Shape => [...shape.slice(0, -1), 2 * (shape.at(-1) as number)];

/**
 * An operator on complex pictures, as networks see it: on real ones of twice the channels. Its measurements stay what they
 * are. The adjoint is that of <x, x'> = Re sum conj(x) x', so gradients and norms are the same. A real one is given back.
 */
export function onReal(A: LinearOperator): LinearOperator {
  if (A.domainType !== "c64") return A;
  const { name, range, rangeType, holds, norm, tight, isometric, prox, pinv } = A;
  return linear({
    name: `real ${name ?? "operator"}`,
    domain: doubled(A.domain),
    range,
    ...(rangeType && { rangeType }),
    ...(holds && { holds }),
    ...(norm !== undefined && { norm }),
    ...(tight !== undefined && { tight }),
    ...(isometric !== undefined && { isometric }),
    apply: (x) => scope(() => A.apply(viewFor(A, x))),
    adjoint: (y) => scope(() => realView(A.adjoint(y))),
    ...(prox && { prox: (v, y, rho) => scope(() => realView(prox(viewFor(A, v), y, rho))) }),
    ...(pinv && { pinv: (y, eta) => scope(() => realView(pinv(y, eta))) }),
  });
}
