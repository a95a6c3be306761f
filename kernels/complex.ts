import wgsl from "../shaders/complex.wgsl";
import { ShapeError } from "../src/errors.ts";
import { broadcastShape, mergedAxes } from "../src/tensor/broadcast.ts";
import { grid1d, kernel } from "../src/tensor/kernel.ts";
import { op } from "../src/tensor/op.ts";
import { type Shape, sizeOf } from "../src/tensor/shape.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { add, div, keep, mul, sub } from "./broadcast.ts";
import { reciprocal, sqrt } from "./elementwise.ts";
import { sum, sumSquares, sumTo } from "./reduce.ts";
import { asComplex, asReal } from "./reshape.ts";

const OPS = ["mul", "conjMul", "scale", "conj"] as const;
type Name = (typeof OPS)[number];
interface Options {
  op: Name;
  dims: number[];
  strides: number[][];
  shape: Shape;
}

const run = kernel<Options>({
  wgsl,
  params: (_, { shape, dims, strides: [sa, sb] }) => ({
    n: sizeOf(shape),
    sa0: sa?.[0] ?? 0,
    sb0: sb?.[0] ?? 0,
    d0: dims[0] as number,
    ...Object.fromEntries(
      [1, 2, 3, 4].flatMap((i) => [
        [`d${i}`, dims[i] ?? 1],
        [`sa${i}`, sa?.[i] ?? 0],
        [`sb${i}`, sb?.[i] ?? 0],
      ]),
    ),
  }),
  shapes: (_, { shape }) => ({ y: shape }),
  grid: (_, { shape }, wg) => grid1d(sizeOf(shape), wg),
  overrides: (_, { op }) => ({ OP: OPS.indexOf(op) }),
});

// Gradients are dL/d re + i dL/d im, so that dL = Re(conj(dy) d out).
const RULES: Record<Name, { a(dy: Tensor, a: Tensor, b: Tensor): Tensor; b?(dy: Tensor, a: Tensor): Tensor }> = {
  mul: { a: (dy, _, b) => conjMul(b, dy), b: (dy, a) => conjMul(a, dy) },
  conjMul: { a: (dy, _, b) => conjMul(dy, b), b: (dy, a) => complexMul(a, dy) },
  scale: { a: (dy, _, r) => complexMul(dy, r), b: (dy, a) => sum(mul(asReal(a), asReal(dy)), { axes: [-1] }) },
  conj: { a: (dy) => conj(dy) },
};

const apply = op<{ op: Name }>({
  name: "complex",
  forward([a, b], { op }) {
    const [p, q] = [a as Tensor, b as Tensor | undefined];
    const shape = broadcastShape(op, p.shape, q?.shape ?? []);
    const axes = mergedAxes(op, shape, [p.shape, q?.shape ?? []]);
    const second = op === "scale" ? { r: q } : { b: q };
    return { out: run({ a: p, ...second }, { op, shape, ...axes }).y as Tensor, saved: [p, q] };
  },
  vjp(dy, [a, b]: [Tensor, Tensor], { op }, needs) {
    const rule = RULES[op];
    return [
      needs[0] ? sumTo(rule.a(dy, a, b), a.shape) : null,
      needs[1] && rule.b ? sumTo(rule.b(dy, a), b.shape) : null,
    ];
  },
});

/** conj(a) b, elementwise; shapes broadcast from the right. */
export const conjMul = (a: Tensor, b: Tensor): Tensor => apply([a, b], { op: "conjMul" });

/** The complex conjugate. */
export const conj = (x: Tensor): Tensor => apply([x], { op: "conj" });

/** a b where one is complex, the other complex or real. */
export function complexMul(a: Tensor, b: Tensor): Tensor {
  if (a.dtype !== "c64") return apply([b, a], { op: "scale" });
  return apply([a, b], { op: b.dtype === "c64" ? "mul" : "scale" });
}

/** a + b or a - b, both complex. */
export function complexAdd(a: Tensor, b: Tensor, sign: 1 | -1): Tensor {
  if (a.dtype !== b.dtype)
    throw new ShapeError(`add: one operand is ${a.dtype}, the other ${b.dtype}; make both complex`);
  return asComplex((sign === 1 ? add : sub)(asReal(a), asReal(b)));
}

/** a / b where either is complex. */
export function complexDiv(a: Tensor, b: Tensor): Tensor {
  if (b.dtype !== "c64") return complexMul(a, reciprocal(b));
  const inverse = complexMul(conj(b), reciprocal(sumSquares(asReal(b), { axes: [-1] })));
  return complexMul(inverse, a);
}

const abs = op({
  name: "complexAbs",
  forward: ([x]) => {
    const out = sqrt(sumSquares(asReal(x as Tensor), { axes: [-1] }));
    return { out, saved: [x, out] };
  },
  // x / |x|, and 0 where x is 0: the subgradient of least norm
  vjp: (dy, [x, m]: [Tensor, Tensor]) => [complexMul(x, keep(m, div(dy, m)))],
});

/** The modulus, a real tensor. */
export const complexAbs = (x: Tensor): Tensor => abs([x], {});
