import { add, div, keep, mul, sub } from "../../kernels/broadcast.ts";
import { cast } from "../../kernels/cast.ts";
import { conv2d } from "../../kernels/conv2d.ts";
import { convTranspose2d } from "../../kernels/conv2d_vjp_x.ts";
import { affine, leakyRelu, sqrt } from "../../kernels/elementwise.ts";
import { groupNorm } from "../../kernels/group_norm.ts";
import { crop, pad } from "../../kernels/pad.ts";
import { avgPool2 } from "../../kernels/pool.ts";
import { mean, sumSquares } from "../../kernels/reduce.ts";
import { reshape } from "../../kernels/reshape.ts";
import { ShapeError } from "../errors.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Module, Params, Specs } from "./net.ts";

export interface NormUnetConfig {
  /** Of the first level; each pooling doubles them. */
  channels: number;
  /** Levels below the first. */
  pools: number;
  /** Real and imaginary parts of each coil: 2 for one. */
  planes?: number;
}

/** fastMRI pads to multiples of this whatever the depth. */
const MULTIPLE = 16;

/**
 * fastMRI's NormUnet [Sriram 2020]: a U-Net of complex pictures between a normalisation and its inverse.
 *   x [N, H, W, planes], the real parts of all coils and then the imaginary ones, in f32
 *   u = (x - m) / s      m mean, s unbiased deviation over a sample's real half, and over its imaginary half
 *   y = s unet(pad u) + m, in f32; the U-Net itself works in the type its weights are stored in
 *   unet: [conv 3x3, instance norm, leaky ReLU 0.2] twice a level, 2x2 means down, 2x2 transposed convolutions up
 * A half that is constant, where fastMRI divides by 0, is taken as 0.
 */
export function normUnet({ channels, pools, planes = 2 }: NormUnetConfig): Module<[x: Tensor]> {
  if (planes % 2) throw new ShapeError(`normUnet: ${planes} planes are not pairs of real and imaginary parts`);
  const parameters: Specs = {};
  const conv = (name: string, shape: number[]) => {
    // PyTorch's transposed convolutions, too, take the fan of axis 1
    parameters[`${name}.weight`] = { shape, init: { fanIn: shape.slice(1).reduce((a, b) => a * b) } };
  };
  const block = (name: string, from: number, to: number) => {
    conv(`${name}.layers.0`, [to, from, 3, 3]);
    conv(`${name}.layers.4`, [to, to, 3, 3]);
  };
  const width = (level: number) => channels * 2 ** level;
  const levels = Array.from({ length: pools }, (_, i) => i);
  const last = pools - 1;
  // the way up is numbered from the bottom, and its last block is a pair with the output layer
  const upName = (i: number) => `unet.up_conv.${i}${i === last ? ".0" : ""}`;
  for (const l of levels) block(`unet.down_sample_layers.${l}`, l ? width(l - 1) : planes, width(l));
  block("unet.conv", width(last), width(pools));
  for (const i of levels) block(upName(i), width(pools - i), width(last - i));
  conv(`unet.up_conv.${last}.1`, [planes, channels, 1, 1]);
  parameters[`unet.up_conv.${last}.1.bias`] = { shape: [planes], init: { fanIn: channels } };
  for (const i of levels) conv(`unet.up_transpose_conv.${i}.layers.0`, [width(pools - i), width(last - i), 2, 2]);

  const instance = (x: Tensor) =>
    leakyRelu(groupNorm(x, undefined, undefined, { groups: x.shape[3] as number, eps: 1e-5 }), 0.2);
  const twice = (p: Params, name: string, x: Tensor, x2?: Tensor) =>
    scope(() => {
      const h = instance(conv2d(x, p[`${name}.layers.0.weight`] as Tensor, { padding: 1, x2 }));
      return instance(conv2d(h, p[`${name}.layers.4.weight`] as Tensor, { padding: 1 }));
    });

  const unet = (p: Params, x: Tensor): Tensor => {
    const skips: Tensor[] = [];
    let h = x;
    for (const l of levels) {
      skips.push(twice(p, `unet.down_sample_layers.${l}`, h));
      h = avgPool2(skips.at(-1) as Tensor);
    }
    h = twice(p, "unet.conv", h);
    for (const i of levels) {
      const skip = skips.pop() as Tensor;
      h = scope(() => {
        const up = convTranspose2d(h, p[`unet.up_transpose_conv.${i}.layers.0.weight`] as Tensor, { stride: 2 });
        const [bottom, right] = [1, 2].map((a) => (skip.shape[a] as number) - (up.shape[a] as number));
        const wide = instance(up);
        const whole = bottom || right ? pad(wide, [0, bottom as number, 0, right as number], "reflect") : wide;
        return twice(p, upName(i), whole, skip);
      });
      skip.dispose();
    }
    const at = `unet.up_conv.${last}.1`;
    return conv2d(h, p[`${at}.weight`] as Tensor, { bias: p[`${at}.bias`] as Tensor });
  };

  return {
    name: "normUnet",
    parameters,
    apply: (p, x) =>
      scope(() => {
        const [N, H, W, C] = x.shape as [number, number, number, number];
        if (x.shape.length !== 4 || C !== planes || x.dtype !== "f32")
          throw new ShapeError(`normUnet: x expects f32 [N, H, W, ${planes}], got ${x.dtype} [${x.shape}]`);
        const halves = reshape(x, [N, H * W, 2, C / 2]);
        const m = mean(halves, { axes: [1, 3], keep: true });
        const centred = sub(halves, m);
        const count = (H * W * C) / 2;
        const s = sqrt(affine(sumSquares(centred, { axes: [1, 3], keep: true }), 1 / (count - 1), 0));
        const u = reshape(keep(s, div(centred, s)), x.shape);

        const [top, bottom] = border(H);
        const [left, right] = border(W);
        const dtype = (p["unet.conv.layers.0.weight"] as Tensor).dtype;
        const y = cast(unet(p, cast(pad(u, [top, bottom, left, right]), dtype)), "f32");
        const inside = reshape(crop(y, [top, left, H, W]), halves.shape);
        return reshape(add(mul(inside, s), m), x.shape);
      }),
  };
}

/** Zeros before and after, up to the next multiple. */
function border(n: number): [number, number] {
  const more = (MULTIPLE - (n % MULTIPLE)) % MULTIPLE;
  return [Math.floor(more / 2), Math.ceil(more / 2)];
}
