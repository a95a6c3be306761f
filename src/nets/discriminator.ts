/**
 * The conditional discriminator of UD2M [after rcGAN, Bendel et al. 2023], under its names: is x a restoration of y?
 *   h = leakyRelu(conv([x, y]), 0.01)
 *   for layer in encoder_layers: h = leakyRelu(instanceNorm(conv(avgPool2(h))), 0.2)      channels double, then halve
 *   score = dense(h)                                 its sigmoid is D(x, y)
 */
import { conv2d } from "../../kernels/conv2d.ts";
import { leakyRelu, sigmoid } from "../../kernels/elementwise.ts";
import { groupNorm } from "../../kernels/group_norm.ts";
import { linear } from "../../kernels/matmul.ts";
import { avgPool2 } from "../../kernels/pool.ts";
import { reshape } from "../../kernels/reshape.ts";
import { transpose } from "../../kernels/transpose.ts";
import { ShapeError } from "../errors.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { declare } from "./layers.ts";
import type { Module, Specs } from "./net.ts";

export interface DiscriminatorConfig {
  /** Side of the pictures, or height and width: the last layer sees every pixel. */
  size: number | readonly [height: number, width: number];
  /** Of x. */
  channels?: number;
  /** Of y; as many as x has. */
  conditionChannels?: number;
  /** Channels after the first convolution. */
  stem?: number;
  /** Halvings, the first half of them (the larger one) doubling the channels, the others halving them; 5 from 128 pixels on, else 3. */
  layers?: number;
  /** Channels after each halving, where they are others than that. */
  widths?: readonly number[];
}

export interface DiscriminatorOptions {
  /** The probability that x is one, and not the score before it. The published code trains on a sigmoid of this. */
  sigmoid?: boolean;
  /** Norms written in ops, so that a gradient in x can be differentiated again: for a gradient penalty. */
  composed?: boolean;
}

/** Of pictures x [N, H, W, channels] and what was measured, y [N, H, W, conditionChannels] as a picture: [N]. */
export type Discriminator = Module<[x: Tensor, y: Tensor, options?: DiscriminatorOptions]>;

export function discriminator(config: DiscriminatorConfig): Discriminator {
  const { size, channels = 3, conditionChannels = channels, stem = 32 } = config;
  const [H, W] = typeof size === "number" ? [size, size] : size;
  const layers = config.layers ?? (Math.min(H, W) >= 128 ? 5 : 3);
  const doublings = Math.ceil(layers / 2);
  const widths =
    config.widths ?? Array.from({ length: layers }, (_, i) => stem * 2 ** Math.min(i + 1, 2 * doublings - i - 1));
  const block = 2 ** widths.length;
  if (H % block || W % block)
    throw new ShapeError(`discriminator: height and width must be multiples of ${block}, got ${H} and ${W}`);
  const features = (H / block) * (W / block) * (widths.at(-1) ?? stem);

  const parameters: Specs = {};
  declare.conv(parameters, "initial_layers.0", stem, channels + conditionChannels, 3);
  widths.forEach((to, i) => {
    declare.conv(parameters, `encoder_layers.${i}.downsample.1`, to, widths[i - 1] ?? stem, 3);
  });
  declare.linear(parameters, "dense_layer.1", 1, features);

  return {
    name: "discriminator",
    parameters,
    apply: (p, x, y, options = {}) =>
      scope(() => {
        const N = x.shape[0] as number;
        if (x.shape[1] !== H || x.shape[2] !== W)
          throw new ShapeError(`discriminator: expected pictures [N, ${H}, ${W}, ${channels}], got [${x.shape}]`);
        const w = (name: string) => p[name] as Tensor;
        const conv = (h: Tensor, at: string, x2?: Tensor) =>
          conv2d(h, w(`${at}.weight`), { bias: w(`${at}.bias`), padding: 1, x2 });
        let h = leakyRelu(conv(x, "initial_layers.0", y), 0.01);
        widths.forEach((groups, i) => {
          const before = h;
          h = scope(() => {
            const a = conv(avgPool2(before), `encoder_layers.${i}.downsample.1`);
            const { composed = false } = options;
            return leakyRelu(groupNorm(a, undefined, undefined, { groups, eps: 1e-5, composed }), 0.2);
          });
          before.dispose();
        });
        // the last layer's weights count channels outermost
        const flat = reshape(transpose(reshape(h, [N, -1, h.shape[3] as number])), [N, features]);
        const score = reshape(linear(flat, w("dense_layer.1.weight"), w("dense_layer.1.bias")), [N]);
        return options.sigmoid ? sigmoid(score) : score;
      }),
  };
}

/** The arguments of UD2M's DiscriminatorModel, by its own names. */
export interface OfficialDiscriminator {
  im_size: number;
  in_channels: number;
  num_layers: number;
  /** It gives one number whatever stands here. */
  out_channels?: number;
}

export const officialDiscriminator = (c: OfficialDiscriminator): Discriminator =>
  discriminator({ size: c.im_size, channels: c.in_channels, layers: c.num_layers });
