import { cast } from "../../kernels/cast.ts";
import { concat, slice } from "../../kernels/concat.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { reshape } from "../../kernels/reshape.ts";
import { ShapeError } from "../errors.ts";
import { scope, type Tree } from "../tensor/scope.ts";
import { type DType, type Shape, sameShape, sizeOf } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { ofItself, ofProduct, ofStack } from "./closed_forms.ts";
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
  /** argmin over x of |A(x) - y|^2/2 + rho |x - v|^2/2, for rho > 0. Of linear operators call `proxL2`, which covers the rest. */
  prox?(v: Tensor, y: Tensor, rho: number): Tensor;
  /** Of one that is not linear: the most that it stretches a small change of the picture, where that is known. */
  readonly slope?: number;
  /** The tensors it owns. They make it a tree: `scope` keeps them when it returns the operator, `dispose` frees them. */
  readonly holds?: Tree;
}

/** A linear map, and whatever is known of it. What is absent is replaced by conjugate gradients where it can be. */
export interface LinearOperator extends Operator {
  /** <Ax, y> = <x, adjoint(y)>. */
  adjoint(y: Tensor): Tensor;
  /** Its largest singular value. */
  readonly norm?: number;
  /** The t of A A^H = t, if there is one: rows are orthogonal. Norm, prox and pseudo-inverse follow. */
  readonly tight?: number;
  /** The c of A^H A = c: columns are orthogonal. Of a square operator, one of the two says both. */
  readonly isometric?: number;
  /** A^T (A A^T + eta)^-1 y; the pseudo-inverse for eta = 0. */
  pinv?(y: Tensor, eta: number): Tensor;
  /** Its singular value decomposition, where that is cheap. */
  readonly spectral?: Spectral;
}

/** The operator, with the shapes of its arguments checked at the door, halves widened, and what follows from A A^H = t. */
export function linear(given: LinearOperator): LinearOperator {
  const spec = { ...ofItself(given), ...given };
  const { prox, pinv } = spec;
  const [input, output] = [door(spec, "domain"), door(spec, "range")];
  return {
    ...spec,
    apply: (x) => input("apply", x, spec.apply),
    adjoint: (y) => output("adjoint", y, spec.adjoint),
    ...(prox && { prox: (v, y, rho) => input("prox", v, (v) => output("prox", y, (y) => prox(v, y, rho))) }),
    ...(pinv && { pinv: (y, eta) => output("pinv", y, (y) => pinv(y, eta)) }),
  };
}

/** An operator that is not linear, with the same door. */
export function nonlinear(spec: Operator): Operator {
  const { prox } = spec;
  const [input, output] = [door(spec, "domain"), door(spec, "range")];
  return {
    ...spec,
    apply: (x) => input("apply", x, spec.apply),
    ...(prox && { prox: (v, y, rho) => input("prox", v, (v) => output("prox", y, (y) => prox(v, y, rho))) }),
  };
}

/** The most that A stretches a small change, 1 where nobody knows. */
export const slopeOf = (A: Operator & Partial<LinearOperator>): number => A.slope ?? A.norm ?? 1;

/** Lets tensors of one side through to f; halves are widened first, since physics is done in f32. */
function door(A: Operator, side: "domain" | "range") {
  const [shape, type] = [A[side], (side === "domain" ? A.domainType : A.rangeType) ?? "f32"];
  return (verb: string, t: Tensor, f: (t: Tensor) => Tensor): Tensor => {
    const half = t.dtype === "f16" && type === "f32";
    if (!sameShape(t.shape.slice(1), shape) || (t.dtype !== type && !half))
      throw new ShapeError(
        `${A.name ?? "operator"}: ${verb} expects its ${side} as ${type} [N, ${shape.join(", ")}], got ${t.dtype} [${t.shape.join(", ")}]`,
      );
    return half ? scope(() => f(cast(t, type))) : f(t);
  };
}

/**
 * The product: the last part acts first, so compose(P, F, S) x = P(F(S x)). Linear when all its parts are. It has the closed
 * forms of the one part that has them when the parts within it are tight and those around it isometric.
 */
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
  if (!parts.every(isLinear)) return nonlinear(both);
  return linear({ ...both, adjoint: (y) => scope(() => parts.reduce((v, A) => A.adjoint(v), y)), ...ofProduct(parts) });
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
    ...(A.tight !== undefined && { tight: c ** 2 * A.tight }),
    ...(A.isometric !== undefined && { isometric: c ** 2 * A.isometric }),
    ...(prox && { prox: (v, y, rho) => scope(() => prox(v, lincomb(1 / c, y), rho / c ** 2)) }),
    ...(pinv && { pinv: (y, eta) => scope(() => lincomb(1 / c, pinv(y, eta / c ** 2))) }),
    ...(spectral && { spectral: scaledSpectral(c, spectral) }),
  });
}

/**
 * One above the other: x to (A x, B x, ...), joined along the last axis. Where the ranges differ in any other axis, each is
 * taken as one long vector. Closed forms are kept where all parts but one are isometric.
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
  const cut = (y: Tensor) => {
    let start = 0;
    return parts.map((A, i) => {
      const width = widths[i] as number;
      start += width;
      return flat(slice(y, -1, start - width, width), A.range);
    });
  };
  return linear({
    name: `stack(${parts.map(title).join(", ")})`,
    ...sides(first, first),
    range,
    holds: parts.map((A) => A.holds ?? []),
    apply: (x) => scope(() => concat(parts.map((A, i) => flat(A.apply(x), rows[i] as Shape)))),
    adjoint: (y) =>
      scope(() => {
        const ys = cut(y);
        return lincomb(...parts.flatMap((A, i) => [1, A.adjoint(ys[i] as Tensor)]));
      }),
    ...ofStack(parts, cut),
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
    ...(A.isometric !== undefined && { tight: A.isometric }),
    ...(A.tight !== undefined && { isometric: A.tight }),
  });
}
