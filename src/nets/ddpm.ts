/**
 * The U-Net of DDPM [Ho et al. 2020], layer for layer as pesser's Model of the published checkpoints, under its names.
 *   e = dense_1(silu(dense_0(sinusoids of t)))      h = conv_in(x); push h
 *   down, a level:  h = attn(block(h, e)), push, a few times; h = downsample(h), push
 *   mid:            h = block_2(attn_1(block_1(h, e)), e)
 *   up, a level:    h = attn(block([h, pop], e)), once more than below; h = upsample(h)
 *   y = conv_out(silu(norm_out(h)))
 */
import { attention } from "../../kernels/attention.ts";
import { add } from "../../kernels/broadcast.ts";
import { cast } from "../../kernels/cast.ts";
import { type Conv2dOptions, conv2d } from "../../kernels/conv2d.ts";
import { silu } from "../../kernels/elementwise.ts";
import { sinusoidal } from "../../kernels/embedding.ts";
import { type GroupNormOptions, groupNorm } from "../../kernels/group_norm.ts";
import { linear } from "../../kernels/matmul.ts";
import { nearestUp } from "../../kernels/nearest_up.ts";
import { avgPool2 } from "../../kernels/pool.ts";
import { reshape } from "../../kernels/reshape.ts";
import { ShapeError } from "../errors.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { inBlock } from "./checkpointed.ts";
import { declare } from "./layers.ts";
import { type Net, type Params, perSample, type Specs } from "./net.ts";

export interface DdpmConfig {
  /** The side it was trained at; decides only where attention goes. */
  resolution: number;
  inChannels?: number;
  outChannels?: number;
  channels: number;
  multipliers: readonly number[];
  /** Residual blocks per level. */
  blocks?: number;
  /** Sides at which there is attention. The middle always has it. */
  attention?: readonly number[];
  /** Resampling by convolutions; otherwise by means and neighbours alone. */
  resampleWithConv?: boolean;
}

export function ddpm(config: DdpmConfig): Net {
  const { resolution, inChannels = 3, outChannels = 3, channels, multipliers, blocks = 2 } = config;
  const { attention: sides = [], resampleWithConv = true } = config;
  if (channels % 32) throw new ShapeError(`ddpm: ${channels} channels do not divide into 32 groups`);
  const levels = multipliers.length;
  const attends = (level: number) => sides.includes(resolution / 2 ** level);
  const specs = declared({ inChannels, outChannels, channels, multipliers, blocks, attends, resampleWithConv });

  return {
    name: "ddpm",
    inChannels,
    outChannels,
    multipleOf: 2 ** (levels - 1),
    parameters: specs,
    apply: (p, x, t, { checkpoint } = {}) =>
      scope(() => {
        const { resample, norm, conv, embed } = layers(p, specs, channels);
        const block = (name: string, ...x: [h: Tensor, e: Tensor, skip?: Tensor]) =>
          inBlock(
            checkpoint,
            (own, ...x: [Tensor, Tensor, Tensor?]) => layers(own, specs, channels).block(name, ...x),
            p,
            name,
            ...x,
          );
        const attend = (name: string, h: Tensor) =>
          inBlock(checkpoint, (own, h: Tensor) => layers(own, specs, channels).attend(name, h), p, name, h);
        const e = embed(perSample(t, x.shape[0] as number));
        const skips: Tensor[] = [];
        let h = conv(x, "conv_in", { padding: 1 });
        /** One step on; what it began from is freed, unless a skip connection still holds it. */
        const go = (step: (h: Tensor) => Tensor) => {
          const before = h;
          h = scope(() => step(before));
          if (!skips.includes(before)) before.dispose();
        };
        skips.push(h);
        for (let level = 0; level < levels; level++) {
          for (let i = 0; i < blocks; i++) {
            go((h) => block(`down.${level}.block.${i}`, h, e));
            if (attends(level)) go((h) => attend(`down.${level}.attn.${i}`, h));
            skips.push(h);
          }
          if (level === levels - 1) break;
          go((h) => resample.down(`down.${level}.downsample`, h));
          skips.push(h);
        }
        go((h) => block("mid.block_1", h, e));
        go((h) => attend("mid.attn_1", h));
        go((h) => block("mid.block_2", h, e));
        for (let level = levels - 1; level >= 0; level--) {
          for (let i = 0; i <= blocks; i++) {
            const skip = skips.pop() as Tensor;
            go((h) => block(`up.${level}.block.${i}`, h, e, skip));
            skip.dispose();
            if (attends(level)) go((h) => attend(`up.${level}.attn.${i}`, h));
          }
          if (level > 0) go((h) => resample.up(`up.${level}.upsample`, h));
        }
        return conv(norm(h, "norm_out", { silu: true }), "conv_out", { padding: 1 });
      }),
  };
}

type Sizes = Required<Omit<DdpmConfig, "resolution" | "attention">> & { attends(level: number): boolean };

/** Parameters in the order of the checkpoints, where `up` counts from the full size although it runs from the smallest. */
function declared({ inChannels, outChannels, channels, multipliers, blocks, attends, resampleWithConv }: Sizes): Specs {
  const specs: Specs = {};
  const declareBlock = (name: string, from: number, to: number) => {
    declare.norm(specs, `${name}.norm1`, from);
    declare.conv(specs, `${name}.conv1`, to, from, 3);
    declare.linear(specs, `${name}.temb_proj`, to, 4 * channels);
    declare.norm(specs, `${name}.norm2`, to);
    declare.conv(specs, `${name}.conv2`, to, to, 3, { zero: true });
    if (from !== to) declare.conv(specs, `${name}.nin_shortcut`, to, from, 1);
  };
  const declareAttention = (name: string, C: number) => {
    declare.norm(specs, `${name}.norm`, C);
    for (const one of ["q", "k", "v"]) declare.conv(specs, `${name}.${one}`, C, C, 1);
    declare.conv(specs, `${name}.proj_out`, C, C, 1, { zero: true });
  };
  const last = multipliers.length - 1;
  /** The width of a level; above the first, what conv_in gives; below the last, what the middle gives. */
  const width = (level: number) => channels * (level < 0 ? 1 : (multipliers[Math.min(level, last)] as number));
  const declareLevel = (name: string, level: number, from: readonly number[], resample: string | undefined) => {
    const C = width(level);
    for (const [i, into] of from.entries()) declareBlock(`${name}.block.${i}`, into, C);
    if (attends(level)) for (const i of from.keys()) declareAttention(`${name}.attn.${i}`, C);
    if (resample && resampleWithConv) declare.conv(specs, `${name}.${resample}.conv`, C, C, 3);
  };

  declare.linear(specs, "temb.dense.0", 4 * channels, channels);
  declare.linear(specs, "temb.dense.1", 4 * channels, 4 * channels);
  declare.conv(specs, "conv_in", channels, inChannels, 3);
  for (const level of multipliers.keys()) {
    const from = Array.from({ length: blocks }, (_, i) => width(i ? level : level - 1));
    declareLevel(`down.${level}`, level, from, level < last ? "downsample" : undefined);
  }
  declareBlock("mid.block_1", width(last), width(last));
  declareAttention("mid.attn_1", width(last));
  declareBlock("mid.block_2", width(last), width(last));
  for (const level of multipliers.keys()) {
    // the skip connections come in the opposite order: the last of them from before the level
    const from = Array.from(
      { length: blocks + 1 },
      (_, i) => width(i ? level : level + 1) + width(i < blocks ? level : level - 1),
    );
    declareLevel(`up.${level}`, level, from, level > 0 ? "upsample" : undefined);
  }
  declare.norm(specs, "norm_out", width(0));
  declare.conv(specs, "conv_out", outChannels, width(0), 3, { zero: true });
  return specs;
}

/** What the network is made of, with its numbers. A layer that the specs do not name is not there. */
function layers(p: Params, specs: Readonly<Specs>, channels: number) {
  const dense = (h: Tensor, name: string) => linear(h, p[`${name}.weight`] as Tensor, p[`${name}.bias`] as Tensor);
  const conv = (h: Tensor, name: string, more: Conv2dOptions = {}) =>
    conv2d(h, p[`${name}.weight`] as Tensor, { bias: p[`${name}.bias`] as Tensor, ...more });
  const norm = (h: Tensor, name: string, more: Partial<GroupNormOptions> = {}) =>
    groupNorm(h, p[`${name}.weight`] as Tensor, p[`${name}.bias`] as Tensor, { groups: 32, eps: 1e-6, ...more });
  const has = (name: string) => specs[`${name}.weight`] !== undefined;
  return {
    conv,
    norm,
    /** With the silu that every block begins with. */
    embed: (t: number[]) =>
      silu(dense(silu(dense(sinusoidal(t, channels, { kind: "ddpm" }), "temb.dense.0")), "temb.dense.1")),
    block(name: string, x: Tensor, e: Tensor, skip?: Tensor): Tensor {
      let h = conv(norm(x, `${name}.norm1`, { silu: true, x2: skip }), `${name}.conv1`, { padding: 1 });
      const shift = dense(e, `${name}.temb_proj`);
      h = add(h, reshape(cast(shift, h.dtype), [h.shape[0] as number, 1, 1, h.shape[3] as number]));
      const shortcut = `${name}.nin_shortcut`;
      const residual = has(shortcut) ? conv(x, shortcut, { x2: skip }) : x;
      return conv(norm(h, `${name}.norm2`, { silu: true }), `${name}.conv2`, { padding: 1, residual });
    },
    /** One head over all pixels. */
    attend(name: string, x: Tensor): Tensor {
      const [N, H, W, C] = x.shape as [number, number, number, number];
      const h = norm(x, `${name}.norm`);
      const tokens = (one: string) => reshape(conv(h, `${name}.${one}`), [N, H * W, C]);
      const a = attention(tokens("q"), tokens("k"), tokens("v"), { heads: 1 });
      return conv(reshape(a, [N, H, W, C]), `${name}.proj_out`, { residual: x });
    },
    resample: {
      // the border is on the right and below only
      down: (name: string, h: Tensor) =>
        has(`${name}.conv`) ? conv(h, `${name}.conv`, { stride: 2, padding: [0, 1, 0, 1] }) : avgPool2(h),
      up: (name: string, h: Tensor) =>
        has(`${name}.conv`) ? conv(nearestUp(h), `${name}.conv`, { padding: 1 }) : nearestUp(h),
    },
  };
}

/** The arguments of pesser's Model, by its own names. */
export interface OfficialDdpm {
  resolution: number;
  in_channels: number;
  out_ch: number;
  ch: number;
  ch_mult: readonly number[];
  num_res_blocks: number;
  attn_resolutions: readonly number[];
  resamp_with_conv?: boolean;
}

/** The network that pytorch_diffusion would build from these arguments. */
export const officialDdpm = (c: OfficialDdpm): Net =>
  ddpm({
    resolution: c.resolution,
    inChannels: c.in_channels,
    outChannels: c.out_ch,
    channels: c.ch,
    multipliers: c.ch_mult,
    blocks: c.num_res_blocks,
    attention: c.attn_resolutions,
    resampleWithConv: c.resamp_with_conv ?? true,
  });

/** The published networks: LSUN bedroom, cat and church at 256, and CIFAR-10. */
export const DDPM = {
  lsun256: { resolution: 256, channels: 128, multipliers: [1, 1, 2, 2, 4, 4], blocks: 2, attention: [16] },
  cifar10: { resolution: 32, channels: 128, multipliers: [1, 2, 2, 2], blocks: 2, attention: [16] },
} as const satisfies Record<string, DdpmConfig>;
