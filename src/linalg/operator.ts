import { concat, slice } from "../../kernels/concat.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { reshape } from "../../kernels/reshape.ts";
import { ShapeError } from "../errors.ts";
import { scope, type Tree } from "../tensor/scope.ts";
import { type DType, type Shape, sameShape, sizeOf } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Spectral, scaledSpectral } from "./spectral.ts";

/** A map from pictures to measurements. Shapes leave the batch out: `apply` takes [N, ...domain], for any N. */
export interface Operator {
  /** For error messages. */
  readonly name?: string;
  readonly domain: Shape;
  readonly range: Shape;
  /** Of the two sides; f32 unless said. */
  readonly domainType?: DType;
  readonly rangeType?: DType;
  apply(x: Tensor): Tensor;
  /** The tensors it owns. They make it a tree: `scope` keeps them when it returns the operator, `dispose` frees them. */
  readonly holds?: Tree;
}

/** A linear map, and whatever is known of it. What is absent is replaced by conjugate gradients where it can be. */
export interface LinearOperator extends Operator {
  /** <Ax, y> = <x, adjoint(y)>. */
  adjoint(y: Tensor): Tensor;
  /** Its largest singular value. */
  readonly norm?: number;
  /** argmin over x of |Ax - y|^2/2 + rho |x - v|^2/2, for rho > 0. Call `proxL2`, which covers the rest. */
  prox?(v: Tensor, y: Tensor, rho: number): Tensor;
  /** A^T (A A^T + eta)^-1 y; the pseudo-inverse for eta = 0. */
  pinv?(y: Tensor, eta: number): Tensor;
  /** Its singular value decomposition, where that is cheap. */
  readonly spectral?: Spectral;
}

/** The operator, with the shapes of its arguments checked at the door. */
export function linear(spec: LinearOperator): LinearOperator {
  const { domain, range, prox, pinv } = spec;
  const input = door(spec, "domain");
  const output = door(spec, "range");
  return {
    ...spec,
    apply: (x) => spec.apply(input("apply", x, domain)),
    adjoint: (y) => spec.adjoint(output("adjoint", y, range)),
    ...(prox && { prox: (v, y, rho) => prox(input("prox", v, domain), output("prox", y, range), rho) }),
    ...(pinv && { pinv: (y, eta) => pinv(output("pinv", y, range), eta) }),
  };
}

function door(A: Operator, side: "domain" | "range") {
  const type = (side === "domain" ? A.domainType : A.rangeType) ?? "f32";
  return (verb: string, t: Tensor, shape: Shape): Tensor => {
    if (!sameShape(t.shape.slice(1), shape) || t.dtype !== type)
      throw new ShapeError(
        `${A.name ?? "operator"}: ${verb} expects its ${side} as ${type} [N, ${shape.join(", ")}], got ${t.dtype} [${t.shape.join(", ")}]`,
      );
    return t;
  };
}

/** The product: the last part acts first, so compose(P, F, S) x = P(F(S x)). Linear when all its parts are. */
export function compose(...parts: LinearOperator[]): LinearOperator;
export function compose(...parts: Operator[]): Operator;
export function compose(...parts: (Operator & Partial<LinearOperator>)[]): Operator {
  const [first, last] = [parts.at(-1), parts[0]];
  if (!first || !last) throw new TypeError("compose: no operators");
  parts.forEach((outer, i) => {
    const inner = parts[i + 1];
    if (!inner) return;
    if (!sameShape(outer.domain, inner.range) || (outer.domainType ?? "f32") !== (inner.rangeType ?? "f32"))
      throw new ShapeError(
        `compose: ${title(outer)} takes ${outer.domainType ?? "f32"} [${outer.domain.join(", ")}], ` +
          `${title(inner)} gives ${inner.rangeType ?? "f32"} [${inner.range.join(", ")}] (shapes leave the batch out)`,
      );
  });
  const apply = (x: Tensor) => scope(() => parts.reduceRight((v, A) => A.apply(v), x));
  const both = {
    name: `compose(${parts.map(title).join(", ")})`,
    ...sides(first, last),
    holds: parts.map((A) => A.holds ?? []),
    apply,
  };
  if (!parts.every(isLinear)) return both;
  return linear({ ...both, adjoint: (y) => scope(() => parts.reduce((v, A) => (A as LinearOperator).adjoint(v), y)) });
}

/** It has an adjoint. */
export const isLinear = (A: Operator): A is LinearOperator => "adjoint" in A;

const title = (A: Operator) => A.name ?? "operator";
const sides = (first: Operator, last: Operator) => ({
  domain: first.domain,
  range: last.range,
  ...(first.domainType && { domainType: first.domainType }),
  ...(last.rangeType && { rangeType: last.rangeType }),
});

/** c A. */
export function scale(c: number, A: LinearOperator): LinearOperator {
  const { prox, pinv, spectral } = A;
  return linear({
    ...A,
    name: `scale(${c}, ${title(A)})`,
    apply: (x) => scope(() => lincomb(c, A.apply(x))),
    adjoint: (y) => scope(() => lincomb(c, A.adjoint(y))),
    ...(A.norm !== undefined && { norm: Math.abs(c) * A.norm }),
    ...(prox && { prox: (v, y, rho) => scope(() => prox(v, lincomb(1 / c, y), rho / c ** 2)) }),
    ...(pinv && { pinv: (y, eta) => scope(() => lincomb(1 / c, pinv(y, eta / c ** 2))) }),
    ...(spectral && { spectral: scaledSpectral(c, spectral) }),
  });
}

/**
 * One above the other: x to (A x, B x, ...), joined along the last axis. Where the ranges differ in any other axis, each is
 * taken as one long vector.
 */
export function stack(...parts: LinearOperator[]): LinearOperator {
  const [first] = parts;
  if (!first) throw new TypeError("stack: no operators");
  for (const A of parts)
    if (!sameShape(A.domain, first.domain) || A.rangeType !== first.rangeType || A.domainType !== first.domainType)
      throw new ShapeError(
        `stack: ${title(A)} takes ${A.domainType ?? "f32"} [${A.domain.join(", ")}], ` +
          `${title(first)} ${first.domainType ?? "f32"} [${first.domain.join(", ")}]; domains and types must agree`,
      );
  const alike = parts.every((A) => sameShape(A.range.slice(0, -1), first.range.slice(0, -1)));
  const rows = parts.map((A) => (alike ? A.range : [sizeOf(A.range)]));
  const widths = rows.map((row) => row.at(-1) as number);
  const range = [...(rows[0] as Shape).slice(0, -1), widths.reduce((a, b) => a + b, 0)];
  const flat = (t: Tensor, shape: Shape) => reshape(t, [t.shape[0] as number, ...shape]);
  return linear({
    name: `stack(${parts.map(title).join(", ")})`,
    ...sides(first, first),
    range,
    holds: parts.map((A) => A.holds ?? []),
    apply: (x) => scope(() => concat(parts.map((A, i) => flat(A.apply(x), rows[i] as Shape)))),
    adjoint: (y) =>
      scope(() => {
        let start = 0;
        const terms = parts.flatMap((A, i) => {
          const width = widths[i] as number;
          start += width;
          return [1, A.adjoint(flat(slice(y, -1, start - width, width), A.range))];
        });
        return lincomb(...terms);
      }),
  });
}

/** The adjoint as an operator. */
export function H(A: LinearOperator): LinearOperator {
  return linear({
    name: `H(${title(A)})`,
    domain: A.range,
    range: A.domain,
    domainType: A.rangeType ?? "f32",
    rangeType: A.domainType ?? "f32",
    holds: A.holds ?? [],
    apply: A.adjoint,
    adjoint: A.apply,
    ...(A.norm !== undefined && { norm: A.norm }),
  });
}
