import wgsl from "../shaders/conv2d.wgsl";
import wgslAny from "../shaders/conv2d_any.wgsl";
import wgslTile from "../shaders/conv2d_tile.wgsl";
import wgslWave from "../shaders/conv2d_wave.wgsl";
import { ShapeError } from "../src/errors.ts";
import { grid1d, type KernelSpec, kernel } from "../src/tensor/kernel.ts";
import { type Maybe, op } from "../src/tensor/op.ts";
import { type Shape, sameShape } from "../src/tensor/shape.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { cast } from "./cast.ts";
import { type Packing, packed } from "./conv2d_pack.ts";
import { conv2dVjpW } from "./conv2d_vjp_w.ts";
import { conv2dVjpX } from "./conv2d_vjp_x.ts";
import { outputSize, sizesOf, type Window, type WindowOptions, windowOf } from "./conv2d_window.ts";
import { scaled } from "./lincomb.ts";
import { nhwc } from "./nhwc.ts";
import { sum } from "./reduce.ts";

/** One pass of convolution: x [N, H, W, G I] to the pixels (at + step (oy, ox)) of y [N, YH, YW, G O]. */
export interface Pass {
  stride: readonly [number, number];
  before: readonly [y: number, x: number];
  out: readonly [OH: number, OW: number];
  whole?: readonly [YH: number, YW: number];
  step?: readonly [number, number];
  at?: readonly [number, number];
  scale: number;
}

interface Run extends Packing, Pass {
  N: number;
  H: number;
  W: number;
  TX: number;
  TY: number;
  TN: number;
  /** One tap, and all pixels in one row. */
  pointwise: boolean;
  /** Vectors of output channels that lie together in the packed weights. */
  block: number;
  shape: Shape;
}

function params({ bias, residual }: { bias?: Tensor; residual?: Tensor }, r: Run, vector: 1 | 4) {
  const { N, H, W, G, KH, KW, scale, out, stride, before, whole = out, step = [1, 1], at = [0, 0] } = r;
  // one literal: spreads would take most of the time of recording a convolution
  return {
    N,
    H,
    W,
    G,
    KH,
    KW,
    scale,
    I: r.I / vector,
    O: r.O / vector,
    OH: out[0],
    OW: out[1],
    YH: whole[0],
    YW: whole[1],
    sy: stride[0],
    sx: stride[1],
    py: before[0],
    px: before[1],
    step_y: step[0],
    step_x: step[1],
    at_y: at[0],
    at_x: at[1],
    pixels: r.TX * r.TY,
    vectors: r.TN / 4,
    block: r.block,
    biased: bias ? 1 : 0,
    residues: residual ? 1 : 0,
    sums: 16,
  };
}
const spec = (text: string, vector: 1 | 4): KernelSpec<Run> => ({
  wgsl: text,
  params: (inputs, run) => params(inputs, run, vector),
  shapes: (_, { shape }) => ({ y: shape }),
  grid: (_, { N, G, O, out: [OH, OW], TX, TY, TN }, wg) =>
    grid1d(N * Math.ceil(OH / TY) * Math.ceil(OW / TX) * G * Math.ceil(O / TN), wg),
  consts: (_, { TX, TY, TN, KW, stride }) => ({ TX, TY, TN: TN / 4, REACH: KW === 2 ? 3 : KW, SX: stride[1] }),
  overrides: ({ x }, { pointwise }) => ({
    WG: (x as Tensor).storage.gpu.software ? 8 : 64,
    ...(vector === 4 && { POINT: pointwise ? 1 : 0 }),
  }),
});
const run = {
  direct: kernel<Run>(spec(wgsl, 4)),
  any: kernel<Run>(spec(wgslAny, 1)),
  wave: kernel<Run>({
    ...spec(wgslWave, 4),
    grid: (_, { N, G, O, out: [OH, OW], TX }, wg) =>
      grid1d(Math.ceil((N * OH * Math.ceil(OW / TX)) / wg) * G * (O / 8), 1),
    overrides: ({ x }, { pointwise }) => ({ WG: (x as Tensor).storage.gpu.subgroup, POINT: pointwise ? 1 : 0 }),
  }),
  tile: kernel<Run>({
    wgsl: wgslTile,
    params: (inputs, r) => params(inputs, r, 4),
    shapes: (_, { shape }) => ({ y: shape }),
    grid: (_, { N, G, O, out: [OH, OW] }) => grid1d(Math.ceil((N * OH * OW) / 64) * G * Math.ceil(O / 64), 1),
  }),
};
/** `any` serves all channel counts, the others those that divide into vectors of 4. */
export type Schedule = keyof typeof run;

function scheduled(x: Tensor, { G, I, O }: Packing, [OH, OW]: readonly [number, number]): Schedule {
  if (I % 4 || O % 4) return "any";
  const { software, subgroup } = x.storage.gpu;
  const N = x.shape[0] as number;
  // a subgroup's worth of tiles, or its lanes would idle
  if (software) return subgroup >= 8 && O % 8 === 0 && N * OH * Math.ceil(OW / 4) >= 8 ? "wave" : "direct";
  return G === 1 && I >= 16 && O >= 32 && N * OH * OW >= 64 ? "tile" : "direct";
}

/**
 * What one invocation computes: pixels by output channels. On software adapters 16 by 8 is the fastest, 8 by 8 takes a
 * quarter more time but compiles in half of its second or two: for layers that are soon done, and for 1x1, where it is
 * no slower.
 */
function tiling(
  N: number,
  { I, O, KH, KW }: Packing,
  { out: [OH, OW], stride }: Pass,
  pointwise: boolean,
  by: Schedule,
): Pick<Run, "TX" | "TY" | "TN"> {
  // of a subgroup: 1x1 is a tenth faster with twice the pixels, the others slower, and longer to compile
  if (by === "wave") return { TX: pointwise && OW >= 512 ? 8 : 4, TY: 1, TN: 8 };
  const vectors = by !== "any";
  const long =
    vectors && !pointwise && stride[1] === 1 && (OW % 16 === 0 || OW > 48) && N * OH * OW * KH * KW * I * O > 2e7;
  return { TX: long ? 16 : OW > 4 ? 8 : 4, TY: 1, TN: vectors && O % 8 === 0 ? 8 : 4 };
}

export interface Extras {
  bias?: Maybe;
  residual?: Maybe;
  /** Where to write, instead of a new tensor. */
  y?: Maybe;
  schedule?: Schedule | undefined;
}

/** Runs a pass over x [N, H, W, C]. */
export function correlate(
  x: Tensor,
  w: Tensor,
  packing: Packing,
  pass: Pass,
  { bias, residual, y, schedule }: Extras = {},
): Tensor {
  let [N, H, W] = nhwc("conv2d", x);
  let { out } = pass;
  const { G, I, O, KH, KW } = packing;
  const { stride, before, whole = out } = pass;
  const shape = [N, ...whole, G * O];
  const pointwise =
    KH * KW === 1 && stride[0] * stride[1] === 1 && !before[0] && !before[1] && H === whole[0] && W === whole[1];
  // one row of pixels: no tile hangs over an edge but the last
  if (pointwise) [N, H, W, out] = [1, 1, N * H * W, [1, N * H * W]];
  const free = !schedule || I % 4 || O % 4 || (schedule === "wave" && (O % 8 || x.storage.gpu.subgroup < 8));
  const by = free ? scheduled(x, packing, out) : schedule;
  const tile = tiling(N, packing, { ...pass, out }, pointwise, by);
  const own = by === "wave" || (by === "direct" && x.storage.gpu.software);
  const size = {
    N,
    H,
    W,
    out,
    whole: pointwise ? out : whole,
    shape,
    pointwise,
    block: own ? tile.TN / 4 : Math.ceil(O / 4),
    ...tile,
  };
  const inputs = { x, w: KH ? packed(w, packing, size.block, x.dtype) : undefined, bias, residual };
  return run[by](inputs, { ...packing, ...pass, ...size }, y && { y }).y as Tensor;
}

interface Options {
  window: Window;
  scale: number;
  /** The channel of the weights that the first of x meets. */
  at: number;
  schedule?: Schedule | undefined;
}

const apply = op<Options>({
  name: "conv2d",
  forward([x, w, bias, residual, x2], { window, scale, at, schedule }) {
    const [x1, w1] = [x as Tensor, w as Tensor];
    const [O, I, KH, KW] = sizesOf("conv2d", w1);
    const G = window.groups;
    const out = outputSize("conv2d", x1, w1, window).slice(1, 3) as [number, number];
    const packing = (base: number, channels: number): Packing => ({
      G,
      I: channels / G,
      O: O / G,
      KH,
      KW,
      KX: KW,
      base: base * KH * KW,
      by_g: (O / G) * I * KH * KW,
      by_o: I * KH * KW,
      by_i: KH * KW,
      first_y: 0,
      every_y: 1,
      first_x: 0,
      every_x: 1,
    });
    const pass = { stride: window.stride, before: [window.padding[0], window.padding[2]] as const, out };
    const C = x1.shape[3] as number;
    if (!x2)
      return {
        out: correlate(x1, w1, packing(at, C), { ...pass, scale }, { bias, residual, schedule }),
        saved: [x, w],
      };
    const half = correlate(x1, w1, packing(at, C), { ...pass, scale: 1 }, { bias, residual, schedule });
    const y = correlate(
      x2,
      w1,
      packing(at + C, x2.shape[3] as number),
      { ...pass, scale },
      { residual: half, schedule },
    );
    half.dispose();
    return { out: y, saved: [x, w, x2] };
  },
  vjp(dy, [x, w, x2]: [Tensor, Tensor, Maybe], { window, scale, at, schedule }, needs) {
    const C = x.shape[3] as number;
    const dx = (t: Tensor, from: number) => conv2dVjpX(dy, w, { window, scale, at: from, shape: t.shape, schedule });
    return [
      needs[0] ? dx(x, at) : null,
      needs[1] ? conv2dVjpW(x, dy, x2, { window, scale, at, shape: w.shape, dtype: w.dtype }) : null,
      needs[2] ? scaled(scale, sum(dy, { axes: [0, 1, 2] })) : null,
      needs[3] ? scaled(scale, dy) : null,
      needs[4] && x2 ? dx(x2, at + C) : null,
    ];
  },
});

/** The op beneath `conv2d`, for the rules of its gradients: x may meet only some of the channels of w, from `at` on. */
export const conv2dPart = (x: Tensor, w: Tensor, x2: Maybe, options: Options): Tensor =>
  apply([x, w, undefined, undefined, x2], options);

export interface Conv2dOptions extends WindowOptions {
  /** [Cout] */
  bias?: Tensor | undefined;
  /** Added before the scale; of the output's shape. */
  residual?: Tensor | undefined;
  scale?: number;
  /** More channels of x: the convolution of [x, x2], which is never made. */
  x2?: Tensor | undefined;
  /** Which shader; chosen by shape and adapter when left out. */
  schedule?: Schedule | undefined;
}

/** scale * (x * weight + bias + residual), x [N, H, W, Cin], weight [Cout, Cin / groups, kh, kw] as PyTorch has it. */
export function conv2d(x: Tensor, weight: Tensor, options: Conv2dOptions = {}): Tensor {
  const { bias, residual, scale = 1, x2, schedule } = options;
  const window = windowOf("conv2d", options);
  const [N, H, W, C] = nhwc("conv2d", x);
  const [O, I, KH, KW] = sizesOf("conv2d", weight);
  const more = x2 ? nhwc("conv2d", x2) : undefined;
  if (more && !sameShape(more.slice(0, 3), [N, H, W]))
    throw new ShapeError(`conv2d: x2 expects [${N}, ${H}, ${W}, C], got [${more}]`);
  if (more && window.groups > 1)
    throw new ShapeError(`conv2d: x2 wants groups = 1, got ${window.groups}; concatenate instead`);
  const Cin = C + (more?.[3] ?? 0);
  if (Cin !== I * window.groups)
    throw new ShapeError(`conv2d: weight expects [Cout, ${Cin / window.groups}, kh, kw], got [${[O, I, KH, KW]}]`);
  if (O % window.groups)
    throw new ShapeError(`conv2d: ${O} output channels do not divide into ${window.groups} groups`);
  if (bias && !sameShape(bias.shape, [O])) throw new ShapeError(`conv2d: bias expects [${O}], got [${bias.shape}]`);
  const shape = outputSize("conv2d", x, weight, window);
  if (residual && !sameShape(residual.shape, shape))
    throw new ShapeError(`conv2d: residual expects [${shape}], got [${residual.shape}]`);
  return apply([x, weight, bias && cast(bias, "f32"), residual, x2], { window, scale, at: 0, schedule });
}
