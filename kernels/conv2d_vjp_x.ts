import { ShapeError } from "../src/errors.ts";
import { type Maybe, op } from "../src/tensor/op.ts";
import { type Shape, sameShape } from "../src/tensor/shape.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { cast } from "./cast.ts";
import { conv2dPart, correlate, type Extras, type Schedule } from "./conv2d.ts";
import type { Packing } from "./conv2d_pack.ts";
import { conv2dVjpW } from "./conv2d_vjp_w.ts";
import { sizesOf, type Window, type WindowOptions, windowOf } from "./conv2d_window.ts";
import { scaled } from "./lincomb.ts";
import { nhwc } from "./nhwc.ts";
import { sum } from "./reduce.ts";

interface Options {
  window: Window;
  scale: number;
  /** First of the channels of w that the result has. */
  at: number;
  /** Of the result, [N, H, W, C]. */
  shape: Shape;
  schedule?: Schedule | undefined;
}

/** The taps k = rest + stride j that reach pixels of one remainder, along one axis, as a convolution with stride 1. */
function phase(offset: number, padding: number, K: number, stride: number) {
  const rest = (offset + padding) % stride;
  const taps = Math.max(0, Math.ceil((K - rest) / stride));
  const shift = (offset + padding - rest) / stride;
  return { taps, first: rest + stride * (taps - 1), before: taps - 1 - shift };
}

/**
 * The transpose of convolution: x[i] = sum over k, o with s o + k - p = i of w[k] dy[o].
 * For pixels i of one remainder modulo the stride this is a convolution of dy with every s-th tap, backwards.
 */
function transpose(dy: Tensor, w: Tensor, { window, scale, at, shape, schedule }: Options, bias?: Maybe): Tensor {
  const [, H, W, C] = shape as [number, number, number, number];
  const [O, I, KH, KW] = sizesOf("conv2d", w);
  const { groups: G, stride, padding } = window;
  const extras: Extras = { bias, schedule };
  for (let fy = 0; fy < Math.min(stride[0], H); fy++)
    for (let fx = 0; fx < Math.min(stride[1], W); fx++) {
      const y = phase(fy, padding[0], KH, stride[0]);
      const x = phase(fx, padding[2], KW, stride[1]);
      const none = y.taps * x.taps === 0;
      const packing: Packing = {
        ...{ G, I: O / G, O: C / G, KH: none ? 0 : y.taps, KW: none ? 1 : x.taps, KX: KW, base: at * KH * KW },
        ...{ by_g: (O / G) * I * KH * KW, by_i: I * KH * KW, by_o: KH * KW },
        ...{ first_y: y.first, every_y: -stride[0], first_x: x.first, every_x: -stride[1] },
      };
      extras.y = correlate(
        dy,
        w,
        packing,
        {
          ...{ stride: [1, 1], before: [y.before, x.before], scale, step: stride, at: [fy, fx], whole: [H, W] },
          out: [Math.ceil((H - fy) / stride[0]), Math.ceil((W - fx) / stride[1])],
        },
        extras,
      );
    }
  return extras.y as Tensor;
}

const apply = op<Options>({
  name: "conv2dVjpX",
  forward([dy, w, bias], options) {
    return { out: transpose(dy as Tensor, w as Tensor, options, bias), saved: [dy, w] };
  },
  vjp(g, [dy, w]: [Tensor, Tensor], { window, scale, at }, needs) {
    return [
      needs[0] ? conv2dPart(g, w, undefined, { window, scale, at }) : null,
      needs[1] ? conv2dVjpW(g, dy, undefined, { window, scale, at, shape: w.shape, dtype: w.dtype }) : null,
      needs[2] ? scaled(scale, sum(g, { axes: [0, 1, 2] })) : null,
    ];
  },
});

/** The gradient of `conv2d` with respect to x, or to x2: linear in dy and in w. */
export const conv2dVjpX = (dy: Tensor, w: Tensor, options: Options): Tensor => apply([dy, w], options);

export interface ConvTranspose2dOptions extends WindowOptions {
  /** [Cout] */
  bias?: Tensor | undefined;
  /** Rows and columns added at the bottom and right, where the stride leaves their number open. */
  outputPadding?: number | readonly [number, number];
  scale?: number;
}

/** The transpose of a convolution, x [N, H, W, Cin], weight [Cin, Cout / groups, kh, kw] as PyTorch has it. */
export function convTranspose2d(x: Tensor, weight: Tensor, options: ConvTranspose2dOptions = {}): Tensor {
  const { bias, outputPadding = 0, scale = 1 } = options;
  const window = windowOf("convTranspose2d", options);
  const { stride, padding, groups } = window;
  const [N, H, W, C] = nhwc("convTranspose2d", x);
  const [I, O, KH, KW] = sizesOf("convTranspose2d", weight);
  const extra = typeof outputPadding === "number" ? [outputPadding, outputPadding] : outputPadding;
  if (I !== C)
    throw new ShapeError(`convTranspose2d: weight expects [${C}, Cout / groups, kh, kw], got [${weight.shape}]`);
  if (I % groups) throw new ShapeError(`convTranspose2d: ${I} channels do not divide into ${groups} groups`);
  if (extra.some((n, i) => n < 0 || n >= (stride[i] as number)))
    throw new RangeError(`convTranspose2d: outputPadding must be less than the stride, got ${extra} and ${stride}`);
  if (bias && !sameShape(bias.shape, [O * groups]))
    throw new ShapeError(`convTranspose2d: bias expects [${O * groups}], got [${bias.shape}]`);
  const YH = (H - 1) * stride[0] + KH - padding[0] - padding[1] + (extra[0] as number);
  const YW = (W - 1) * stride[1] + KW - padding[2] - padding[3] + (extra[1] as number);
  if (YH < 1 || YW < 1) throw new ShapeError(`convTranspose2d: padding [${padding}] leaves nothing of [${x.shape}]`);
  return apply([x, weight, bias && cast(bias, "f32")], { window, scale, at: 0, shape: [N, YH, YW, O * groups] });
}
