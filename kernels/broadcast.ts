import wgsl from "../shaders/broadcast.wgsl";
import { ShapeError } from "../src/errors.ts";
import { broadcastShape, mergedAxes } from "../src/tensor/broadcast.ts";
import { grid1d, kernel } from "../src/tensor/kernel.ts";
import { op } from "../src/tensor/op.ts";
import { type Shape, sameShape, sizeOf } from "../src/tensor/shape.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { complexAdd, complexDiv, complexMul } from "./complex.ts";
import { lincomb } from "./lincomb.ts";
import { sumTo } from "./reduce.ts";
import { asComplex, asReal, reshape } from "./reshape.ts";

export { complexAbs, conj } from "./complex.ts";

const OPS = ["mul", "add", "sub", "div", "keep", "drop", "first"] as const;
type Name = (typeof OPS)[number];
interface Options {
  op: Name;
  dims: number[];
  sa: number[];
  sb: number[];
  lanes: 1 | 4;
  shape: Shape;
}

const run = kernel<Options>({
  wgsl,
  params: (_, { shape, dims, sa, sb, lanes }) => ({
    n: sizeOf(shape) / lanes,
    d0: (dims[0] as number) / lanes,
    ...Object.fromEntries(
      [1, 2, 3, 4].flatMap((i) => [
        [`d${i}`, dims[i] ?? 1],
        [`sa${i}`, sa[i] ?? 0],
        [`sb${i}`, sb[i] ?? 0],
      ]),
    ),
  }),
  shapes: (_, { shape }) => ({ y: shape }),
  grid: (_, { shape, lanes }, wg) => grid1d(sizeOf(shape) / lanes, wg),
  lanes: (_, { lanes }) => lanes,
  overrides: (_, { op, dims, sa, sb }) => ({
    OP: OPS.indexOf(op),
    RANK: dims.length,
    A_RUNS: sa[0] ? 1 : 0,
    B_RUNS: sb[0] ? 1 : 0,
  }),
});

function pointwise(op: Name, a: Tensor, b: Tensor | undefined, shape: Shape): Tensor {
  const { dims, strides } = mergedAxes(op, shape, [a.shape, b?.shape ?? []]);
  const [sa, sb] = strides as [number[], number[]];
  if (!b) sb.fill(0);
  // a vector must not straddle two rows of d0, nor begin inside a vector of an operand
  const lanes = (dims[0] as number) % 4 === 0 ? 4 : 1;
  // bound under the name it is read by: fewer than 16 bytes cannot be bound as vectors
  const inputs = { [sa[0] ? "a" : "a1"]: a, [sb[0] ? "b" : "b1"]: b };
  return run(inputs, { op, dims, sa, sb, lanes, shape }).y as Tensor;
}

/** Cotangents of a and b, before they are summed to their shapes. */
const RULES: Record<
  Name,
  { a?(dy: Tensor, a: Tensor, b: Tensor): Tensor; b?(dy: Tensor, a: Tensor, b: Tensor): Tensor }
> = {
  mul: { a: (dy, _, b) => mul(dy, b), b: (dy, a) => mul(dy, a) },
  add: { a: (dy) => dy, b: (dy) => dy },
  sub: { a: (dy) => dy, b: (dy) => lincomb(-1, dy) },
  div: { a: (dy, _, b) => div(dy, b), b: (dy, a, b) => lincomb(-1, mul(div(dy, b), div(a, b))) },
  keep: { b: (dy, a) => keep(a, dy) },
  drop: { b: (dy, a) => drop(a, dy) },
  first: {},
};

const apply = op<{ op: Name }>({
  name: "broadcast",
  forward([a, b], { op }) {
    const [p, q] = [a, b] as [Tensor, Tensor];
    return { out: pointwise(op, p, q, broadcastShape(op, p.shape, q.shape)), saved: [p, q] };
  },
  vjp(dy, [a, b]: [Tensor, Tensor], { op }, needs) {
    const rule = RULES[op];
    return [
      needs[0] && rule.a ? sumTo(rule.a(dy, a, b), a.shape) : null,
      needs[1] && rule.b ? sumTo(rule.b(dy, a, b), b.shape) : null,
    ];
  },
});

const isComplex = (a: Tensor, b: Tensor) => a.dtype === "c64" || b.dtype === "c64";

/** a b, elementwise; shapes broadcast from the right. Either may be complex. */
export const mul = (a: Tensor, b: Tensor): Tensor =>
  isComplex(a, b) ? complexMul(a, b) : apply([a, b], { op: "mul" });
/** a + b; shapes broadcast from the right. */
export const add = (a: Tensor, b: Tensor): Tensor =>
  isComplex(a, b) ? complexAdd(a, b, 1) : apply([a, b], { op: "add" });
/** a - b; shapes broadcast from the right. */
export const sub = (a: Tensor, b: Tensor): Tensor =>
  isComplex(a, b) ? complexAdd(a, b, -1) : apply([a, b], { op: "sub" });
/** a / b; shapes broadcast from the right. */
export const div = (a: Tensor, b: Tensor): Tensor =>
  isComplex(a, b) ? complexDiv(a, b) : apply([a, b], { op: "div" });
/** x where the mask is not 0, else 0 — also where x is not finite. No gradient flows to the mask. */
export const keep = (mask: Tensor, x: Tensor): Tensor => apply([mask, x], { op: "keep" });
/** x where the mask is 0, else 0. */
export const drop = (mask: Tensor, x: Tensor): Tensor => apply([mask, x], { op: "drop" });
/** a where the mask is not 0, else b. No gradient flows to the mask. */
export const where = (mask: Tensor, a: Tensor, b: Tensor): Tensor => add(keep(mask, a), drop(mask, b));

const stretch = op<{ shape: Shape }>({
  name: "broadcastTo",
  forward: ([x], { shape }) => ({ out: pointwise("first", x as Tensor, undefined, shape), saved: [x] }),
  vjp: (dy, [x]: [Tensor]) => [sumTo(dy, x.shape)],
});

/** x repeated along the axes where it is 1 or absent, up to this shape. */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  if (x.size === sizeOf(shape)) return reshape(x, shape);
  if (!sameShape(broadcastShape("broadcastTo", x.shape, shape), shape))
    throw new ShapeError(`broadcastTo: [${x.shape}] does not stretch to [${shape}]`);
  if (x.dtype === "c64") return asComplex(broadcastTo(asReal(x), [...shape, 2]));
  return stretch([x], { shape });
}
