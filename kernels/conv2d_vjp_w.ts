import wgsl from "../shaders/conv2d_vjp_w.wgsl";
import wgslAny from "../shaders/conv2d_vjp_w_any.wgsl";
import wgslSum from "../shaders/conv2d_vjp_w_sum.wgsl";
import { grid1d, type KernelSpec, kernel } from "../src/tensor/kernel.ts";
import { type Maybe, op } from "../src/tensor/op.ts";
import { type Shape, sizeOf } from "../src/tensor/shape.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { conv2dPart } from "./conv2d.ts";
import { conv2dVjpX } from "./conv2d_vjp_x.ts";
import type { Window } from "./conv2d_window.ts";

interface Options {
  window: Window;
  scale: number;
  /** The channel of w that the first of x meets. */
  at: number;
  /** Of w, [Cout, Cin / groups, kh, kw]. */
  shape: Shape;
  dtype: Tensor["dtype"];
}

interface Parts {
  window: Window;
  KH: number;
  KW: number;
  /** Channels per group, in and out. */
  I: number;
  O: number;
  /** How many parts, and rows of pixels in each. */
  S: number;
  rows: number;
  TC: number;
  TN: number;
}

const spec = (text: string, vector: 1 | 4): KernelSpec<Parts> => ({
  wgsl: text,
  params({ x, dy }, { window: { groups: G, stride, padding }, KH, KW, I, O, S, rows, TC, TN }) {
    const [N, H, W] = x.shape;
    const [, OH, OW] = dy.shape;
    return {
      ...{ S, rows: N * OH, rows_per_part: rows, H, W, I: I / vector, OH, OW, O: O / vector, G, KH },
      ...{ sy: stride[0], py: padding[0], px: padding[2], vectors: TC * TN * KW * 4 },
    };
  },
  shapes: (_, { window, KH, KW, I, O, S }) => ({ part: [S, window.groups, KH, KW, I, 4 * Math.ceil(O / 4)] }),
  grid: (_, { window, KH, I, O, S, TC, TN }, wg) =>
    grid1d((S * window.groups * KH * I * Math.ceil(O / 4)) / (vector * TC * TN), wg),
  consts: (_, { KW, window, TC, TN }) => ({ KW, SX: window.stride[1], ...(vector > 1 ? { TC, TN } : {}) }),
  overrides: ({ x }) => ({ WG: (x as Tensor).storage.gpu.software ? 8 : 64 }),
});
const vectors = kernel<Parts>(spec(wgsl, 4));
const any = kernel<Parts>(spec(wgslAny, 1));

interface Sums extends Options {
  S: number;
  I: number;
  I2: number;
}
const sums = kernel<Sums>({
  wgsl: wgslSum,
  params: (_, { S, I, I2, at, scale, shape: [O, C, KH, KW], window: { groups: G } }) => {
    const K = (KH as number) * (KW as number);
    return { n: (O as number) * (C as number) * K, S, G, K, C: C as number, O: (O as number) / G, at, I, I2, scale };
  },
  shapes: (_, { shape }) => ({ dw: shape }),
  grid: (_, { shape }, wg) => grid1d(sizeOf(shape), wg),
  elem: (_, { dtype }) => (dtype === "f16" ? "f16" : "f32"),
});

/** Pixels that one invocation adds up: few enough that f32 loses nothing that matters. */
const RUN = 2048;

function parts(x: Tensor, dy: Tensor, { window, shape }: Options): { part: Tensor; S: number; I: number } {
  const [Cout, , KH, KW] = shape as [number, number, number, number];
  const [N, OH, OW] = dy.shape as [number, number, number];
  const I = (x.shape[3] as number) / window.groups;
  const O = Cout / window.groups;
  const all = N * OH;
  const S = Math.ceil(all / Math.max(1, Math.floor(RUN / OW)));
  const rows = Math.ceil(all / S);
  const four = I % 4 === 0 && O % 4 === 0;
  const p = { window, KH, KW, I, O, S: Math.ceil(all / rows), rows, TC: 1, TN: four && O % 8 === 0 ? 2 : 1 };
  return { part: (four ? vectors : any)({ x, dy }, p).part as Tensor, S: p.S, I };
}

const apply = op<Options>({
  name: "conv2dVjpW",
  forward([x, dy, x2], options) {
    const { part, S, I } = parts(x as Tensor, dy as Tensor, options);
    const more = x2 && parts(x2, dy as Tensor, options);
    const dw = sums({ part, part2: more?.part }, { ...options, S, I, I2: more?.I ?? 0 }).dw as Tensor;
    part.dispose();
    more?.part.dispose();
    return { out: dw, saved: [x, dy, x2] };
  },
  vjp(g, [x, dy, x2]: [Tensor, Tensor, Maybe], { window, scale, at }, needs) {
    const dx = (t: Tensor, from: number) => conv2dVjpX(dy, g, { window, scale, at: from, shape: t.shape });
    return [
      needs[0] ? dx(x, at) : null,
      needs[1] ? conv2dPart(x, g, x2, { window, scale, at }) : null,
      needs[2] && x2 ? dx(x2, at + (x.shape[3] as number)) : null,
    ];
  },
});

/** The gradient of `conv2d` with respect to its weights, of their shape: linear in x (and x2) and in dy. */
export const conv2dVjpW = (x: Tensor, dy: Tensor, x2: Maybe, options: Options): Tensor => apply([x, dy, x2], options);
