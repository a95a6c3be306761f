/** What an operator's closed forms are, when its parts have some: A A^H = t, A^H A = c, prox and pseudo-inverse. */
import { lincomb } from "../../kernels/lincomb.ts";
import { scope } from "../tensor/scope.ts";
import { sameShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { LinearOperator } from "./operator.ts";
import { oneSingularValue } from "./spectral.ts";

export type Forms = Pick<LinearOperator, "norm" | "tight" | "isometric" | "prox" | "pinv" | "spectral">;
type Proximal = LinearOperator & Required<Pick<LinearOperator, "prox">>;

const product = (factors: readonly number[]): number => factors.reduce((a, b) => a * b, 1);

/** What A A^H = t or A^H A = c says by itself; of a square operator either says both. */
export function ofItself(A: LinearOperator): Forms {
  const square = sameShape(A.domain, A.range) && A.domainType === A.rangeType;
  const t = A.tight ?? (square ? A.isometric : undefined);
  const c = A.isometric ?? (square ? A.tight : undefined);
  const gain = t ?? c;
  if (gain === undefined) return {};
  return {
    norm: Math.sqrt(gain),
    ...(t !== undefined && { tight: t }),
    ...(c !== undefined && { isometric: c }),
    prox:
      c !== undefined
        ? (v, y, rho) => scope(() => lincomb(1 / (c + rho), A.adjoint(y), rho / (c + rho), v))
        : (v, y, rho) => scope(() => lincomb(1, v, 1 / (gain + rho), A.adjoint(lincomb(1, y, -1, A.apply(v))))),
    pinv: (y, eta) => scope(() => lincomb(1 / (gain + eta), A.adjoint(y))),
    spectral: oneSingularValue(Math.sqrt(gain), A.apply, A.adjoint),
  };
}

/**
 * Of U P T with U^H U = c and T T^H = t:
 *   z = argmin |P z - U^H y/c|^2/2 + rho/(c t) |z - T v|^2/2,  prox = v + T^H (z - T v)/t
 *   pinv(y, eta) = T^H pinv_P(U^H y/c, eta/(c t))/t
 */
export function ofProduct(parts: readonly LinearOperator[]): Forms {
  const constant = (key: "tight" | "isometric", some: readonly LinearOperator[]) =>
    some.every((A) => A[key] !== undefined) ? product(some.map((A) => A[key] as number)) : undefined;
  const [tight, isometric] = [constant("tight", parts), constant("isometric", parts)];
  if (tight !== undefined || isometric !== undefined)
    return { ...(tight !== undefined && { tight }), ...(isometric !== undefined && { isometric }) };
  for (const [k, P] of parts.entries()) {
    const [outer, inner] = [parts.slice(0, k), parts.slice(k + 1)];
    const [c, t] = [constant("isometric", outer), constant("tight", inner)];
    if (c === undefined || t === undefined) continue;
    const back = (y: Tensor) =>
      outer.length
        ? lincomb(
            1 / c,
            outer.reduce((v, A) => A.adjoint(v), y),
          )
        : y;
    const down = (v: Tensor) => inner.reduceRight((x, A) => A.apply(x), v);
    const up = (z: Tensor) => inner.reduce((v, A) => A.adjoint(v), z);
    const { norm, prox, pinv, spectral } = P;
    const root = Math.sqrt(c * t);
    return {
      ...(norm !== undefined && { norm: norm * root }),
      ...(prox && {
        prox: (v, y, rho) =>
          scope(() => {
            const Tv = down(v);
            const z = prox(Tv, back(y), rho / (c * t));
            return inner.length ? lincomb(1, v, 1 / t, up(lincomb(1, z, -1, Tv))) : z;
          }),
      }),
      ...(pinv && { pinv: (y, eta) => scope(() => lincomb(1 / t, up(pinv(back(y), eta / (c * t))))) }),
      // T^H/sqrt(t) carries P's basis V over, U/sqrt(c) its basis U; what T does not see has s = 0
      ...(spectral && {
        spectral: {
          inside: (x, f) =>
            scope(() => {
              const Tx = down(x);
              const z = spectral.inside(Tx, (s) => f(root * s));
              return inner.length ? lincomb(f(0), x, 1 / t, up(lincomb(1, z, -f(0), Tx))) : z;
            }),
          back: (y, f) => scope(() => lincomb(Math.sqrt(c / t), up(spectral.back(back(y), (s) => s && f(root * s))))),
        },
      }),
    };
  }
  return {};
}

/**
 * Of P above U_1, U_2, ... with sum U_i^H U_i = c, all of one domain; `cut` parts a measurement:
 *   prox = prox_P((sum U_i^H y_i + rho v)/(c + rho), y_P, c + rho)
 */
export function ofStack(parts: readonly LinearOperator[], cut: (y: Tensor) => Tensor[]): Forms {
  const rest = parts.filter((A) => A.isometric !== undefined);
  const c = rest.reduce((sum, A) => sum + (A.isometric as number), 0);
  const [P, another] = parts.filter((A) => A.isometric === undefined);
  if (!P) return { isometric: c };
  if (another || !rest.length) return {};
  const { norm, prox } = P as Partial<Proximal> & LinearOperator;
  const solve = (prox: Proximal["prox"], y: Tensor, rho: number, v?: Tensor) =>
    scope(() => {
      const ys = cut(y);
      const seen = parts.flatMap((A, i) => (A === P ? [] : [1 / (c + rho), A.adjoint(ys[i] as Tensor)]));
      const v2 = lincomb(...seen, ...(v ? [rho / (c + rho), v] : []));
      return prox(v2, ys[parts.indexOf(P)] as Tensor, c + rho);
    });
  return {
    ...(norm !== undefined && { norm: Math.hypot(norm, Math.sqrt(c)) }),
    ...(prox && {
      prox: (v, y, rho) => solve(prox, y, rho, v),
      pinv: (y, eta) => solve(prox, y, eta),
    }),
  };
}
