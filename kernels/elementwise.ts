import wgsl from "../shaders/elementwise.wgsl";
import wgslVjp from "../shaders/elementwise_vjp_x.wgsl";
import { ShapeError } from "../src/errors.ts";
import { grid1d, kernel, lanesFor } from "../src/tensor/kernel.ts";
import { op } from "../src/tensor/op.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { mul } from "./broadcast.ts";
import { lincomb } from "./lincomb.ts";

/** The order is that of the cases in the shaders. */
const OPS = [
  ...["silu", "relu", "leakyRelu", "tanh", "sigmoid", "softplus", "exp", "log", "sqrt", "abs", "square", "clamp"],
  ...["reciprocal", "round", "affine"],
];
interface Options {
  op: string;
  a: number;
  b: number;
}

const count = (x: Tensor) => x.size / lanesFor(x.size);
const spec = {
  params: ({ x }: { x: Tensor }, { a, b }: Options) => ({ n: count(x), a, b }),
  grid: ({ x }: { x: Tensor }, _: Options, wg: number) => grid1d(count(x), wg),
  lanes: ({ x }: { x: Tensor }) => lanesFor(x.size),
  overrides: (_: object, { op }: Options) => ({ OP: OPS.indexOf(op) }),
};
const run = kernel<Options>({ ...spec, wgsl, shapes: ({ x }) => ({ y: x.shape }) } as Parameters<
  typeof kernel<Options>
>[0]);
const runVjp = kernel<Options>({ ...spec, wgsl: wgslVjp, shapes: ({ x }) => ({ dx: x.shape }) } as Parameters<
  typeof kernel<Options>
>[0]);

/** f'' in ops, so that gradients of any order follow. Absent: it is 0 wherever it exists. */
const SECOND: Record<string, (x: Tensor) => Tensor> = {
  // s (1 - s) (2 + x (1 - 2 s))
  silu: (x) => mul(mul(sigmoid(x), sigmoid(lincomb(-1, x))), affine(mul(x, tanh(lincomb(0.5, x))), -1, 2)),
  // 1 - 2 s(x) = -tanh(x / 2)
  sigmoid: (x) => lincomb(-1, mul(mul(sigmoid(x), sigmoid(lincomb(-1, x))), tanh(lincomb(0.5, x)))),
  softplus: (x) => mul(sigmoid(x), sigmoid(lincomb(-1, x))),
  tanh: (x) => lincomb(-2, mul(tanh(x), affine(square(tanh(x)), -1, 1))),
  exp: (x) => exp(x),
  log: (x) => lincomb(-1, square(reciprocal(x))),
  sqrt: (x) => lincomb(-0.25, mul(reciprocal(x), reciprocal(sqrt(x)))),
  square: (x) => affine(x, 0, 2),
  reciprocal: (x) => lincomb(2, mul(reciprocal(x), square(reciprocal(x)))),
};

const slope: (inputs: readonly Tensor[], options: Options) => Tensor = op<Options>({
  name: "elementwiseVjp",
  forward: ([x, dy], options) => ({ out: runVjp({ x, dy }, options).dx as Tensor, saved: [x, dy] }),
  vjp(ddx, [x, dy]: [Tensor, Tensor], options, needs) {
    const second = SECOND[options.op];
    return [needs[0] && second ? mul(mul(ddx, dy), second(x)) : null, needs[1] ? slope([x, ddx], options) : null];
  },
});

const apply = op<Options>({
  name: "elementwise",
  forward: ([x], options) => ({ out: run({ x }, options).y as Tensor, saved: [x] }),
  vjp: (dy, [x]: [Tensor], options) => [slope([x, dy], options)],
});

const named =
  (op: string) =>
  (x: Tensor, a = 0, b = 0): Tensor => {
    if (x.dtype === "c64") throw new ShapeError(`${op}: x must be real, got c64`);
    return apply([x], { op, a, b });
  };
const unary = (op: string): ((x: Tensor) => Tensor) => named(op);

/** x sigmoid(x), also called swish. */
export const silu = unary("silu");
export const relu = unary("relu");
export const tanh = unary("tanh");
export const sigmoid = unary("sigmoid");
/** log(1 + e^x). */
export const softplus = unary("softplus");
export const exp = unary("exp");
export const log = unary("log");
export const sqrt = unary("sqrt");
export const abs = unary("abs");
export const square = unary("square");
/** 1 / x. */
export const reciprocal = unary("reciprocal");
/** The nearest whole number, of two the even one. Its gradient is that of the identity: straight through. */
export const round = unary("round");
/** x, or slope x where x is negative. */
export const leakyRelu = (x: Tensor, slope = 0.2): Tensor => named("leakyRelu")(x, slope);
/** x held between low and high. The gradient passes where x is between them, bounds included. */
export const clamp = (x: Tensor, low: number, high: number): Tensor => named("clamp")(x, low, high);
/** a x + b. */
export const affine = (x: Tensor, a: number, b: number): Tensor => named("affine")(x, a, b);
