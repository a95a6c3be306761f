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
/** All that follows from the operation and the shapes. */
interface Options {
  lanes: 1 | 4;
  shape: Shape;
  params: Record<string, number>;
  overrides: Record<string, number>;
}

const run = kernel<Options>({
  wgsl,
  params: (_, { params }) => params,
  shapes: (_, { shape }) => ({ y: shape }),
  grid: (_, { params }, wg) => grid1d(params.n as number, wg),
  lanes: (_, { lanes }) => lanes,
  overrides: (_, { overrides }) => overrides,
});

function optionsFor(op: Name, a: Shape, b: Shape | undefined, shape: Shape): Options {
  const { dims, strides } = mergedAxes(op, shape, [a, b ?? []]);
  const [sa, sb] = strides as [number[], number[]];
  if (!b) sb.fill(0);
  // a vector must not straddle two rows of d0, nor begin inside a vector of an operand
  const lanes = (dims[0] as number) % 4 === 0 ? 4 : 1;
  const params: Record<string, number> = { n: sizeOf(shape) / lanes, d0: (dims[0] as number) / lanes };
  for (const i of [1, 2, 3, 4]) {
    params[`d${i}`] = dims[i] ?? 1;
    params[`sa${i}`] = sa[i] ?? 0;
    params[`sb${i}`] = sb[i] ?? 0;
  }
  const overrides = { OP: OPS.indexOf(op), RANK: dims.length, A_RUNS: sa[0] ? 1 : 0, B_RUNS: sb[0] ? 1 : 0 };
  return { lanes, shape, params, overrides };
}

/** Networks ask for the same few pairs of shapes over and over. */
const known = new Map<string, Options>();
const MOST_KNOWN = 1000;

function pointwise(op: Name, a: Tensor, b: Tensor | undefined, shapeOf: () => Shape): Tensor {
  const key = `${op} ${a.shape} ${b?.shape} ${b ? "" : shapeOf()}`;
  let options = known.get(key);
  if (!options) {
    options = optionsFor(op, a.shape, b?.shape, shapeOf());
    if (known.size >= MOST_KNOWN) known.clear();
    known.set(key, options);
  }
  const { A_RUNS, B_RUNS } = options.overrides;
  // bound under the name it is read by: fewer than 16 bytes cannot be bound as vectors
  return run({ [A_RUNS ? "a" : "a1"]: a, [B_RUNS ? "b" : "b1"]: b }, options).y as Tensor;
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
    return { out: pointwise(op, p, q, () => broadcastShape(op, p.shape, q.shape)), saved: [p, q] };
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
  forward: ([x], { shape }) => ({ out: pointwise("first", x as Tensor, undefined, () => shape), saved: [x] }),
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
