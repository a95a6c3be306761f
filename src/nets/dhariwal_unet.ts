/**
 * EDM's DhariwalUNet [Karras et al. 2022]: ADM of Dhariwal & Nichol 2021 in EDM's blocks, under its names.
 *   emb = map_layer1(silu(map_layer0(noise(t) + map_augment(augment))));  emb = silu(emb + map_label(label))
 *   for block in enc: h = block(h, emb); push h
 *   for block in dec: h = block([h, pop], emb)           attention in every block of its sizes
 *   y = out_conv(silu(out_norm(h)))
 */
import { add } from "../../kernels/broadcast.ts";
import { conv2d } from "../../kernels/conv2d.ts";
import { silu } from "../../kernels/elementwise.ts";
import { sinusoidal } from "../../kernels/embedding.ts";
import { linear } from "../../kernels/matmul.ts";
import { scope } from "../tensor/scope.ts";
import type { Shape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Block, classRows, type Declare, norm, unetBlocks } from "./edm_block.ts";
import { declare } from "./layers.ts";
import { type Labels, labelRows, type Net, type Params, perSample, type Specs } from "./net.ts";

export interface DhariwalConfig {
  /** The side it was trained at: it names the layers, and decides where attention goes. */
  resolution: number;
  inChannels?: number;
  outChannels?: number;
  channels?: number;
  multipliers?: readonly number[];
  /** Channels of the embedding as a multiple of `channels`. */
  embMultiplier?: number;
  /** Residual blocks per level. */
  blocks?: number;
  /** Sides at which there is attention. The middle always has it. */
  attention?: readonly number[];
  /** Layers with fewer channels than one head has no attention, wherever they stand. */
  headChannels?: number;
  classes?: number;
  /** Length of the augmentation labels. */
  augments?: number;
  /** Put before every name. */
  prefix?: string;
}

const EPS = 1e-5;

export function dhariwalUnet(config: DhariwalConfig): Net {
  const { inChannels = 3, outChannels = 3, channels = 192, multipliers = [1, 2, 3, 4], embMultiplier = 4 } = config;
  const { headChannels = 64, classes, augments, prefix = "" } = config;
  const width = channels * embMultiplier;
  const { enc, dec, first, last } = plan(config);
  const at = (name: string) => `${prefix}${name}`;
  const heads = (C: number) => Math.floor(C / headChannels);
  const block = unetBlocks({
    ...{ width, heads, scale: 1, eps: EPS, adaptive: true, project: false, filter: [1, 1] },
    declare: kaiming,
  });

  const parameters: Specs = {};
  const buffers: Record<string, Shape> = {};
  if (augments) parameters[at("map_augment.weight")] = { shape: [channels, augments], init: 0 };
  kaiming(parameters, at("map_layer0"), width, channels, 0);
  kaiming(parameters, at("map_layer1"), width, width, 0);
  if (classes) parameters[at("map_label.weight")] = { shape: [width, classes], init: { std: 1 } };
  kaiming(parameters, first.at, first.to, inChannels, 3);
  for (const layer of [...enc, ...dec]) block.declare(parameters, buffers, layer);
  declare.norm(parameters, at("out_norm"), last);
  kaiming(parameters, at("out_conv"), outChannels, last, 3, "last");

  const embed = (p: Params, t: number[], { label, augment }: Labels): Tensor =>
    scope(() => {
      const dense = (h: Tensor, name: string) => linear(h, p[at(`${name}.weight`)] as Tensor, p[at(`${name}.bias`)]);
      let e = sinusoidal(t, channels, { kind: "adm" });
      if (augments && augment)
        e = add(e, dense(labelRows("dhariwalUnet, augment", augment, t.length, augments), "map_augment"));
      e = dense(silu(dense(e, "map_layer0")), "map_layer1");
      if (classes) e = add(e, dense(classRows("dhariwalUnet", label, t.length, classes), "map_label"));
      return silu(e);
    });

  return {
    name: "dhariwalUnet",
    inChannels,
    outChannels,
    multipleOf: 2 ** (multipliers.length - 1),
    parameters,
    buffers,
    apply: (p, x, t, labels = {}) =>
      scope(() => {
        const emb = embed(p, perSample(t, x.shape[0] as number), labels);
        const conv = (h: Tensor, name: string) =>
          conv2d(h, p[`${name}.weight`] as Tensor, { bias: p[`${name}.bias`] as Tensor, padding: 1 });
        let h = conv(x, first.at);
        const skips = [h];
        for (const layer of enc) skips.push((h = block.run(p, layer, h, emb, undefined, labels.checkpoint)));
        for (const layer of dec) {
          const before = h;
          const skip = layer.joins ? skips.pop() : undefined;
          h = block.run(p, layer, before, emb, skip, labels.checkpoint);
          skip?.dispose();
          if (!skips.includes(before)) before.dispose();
        }
        return conv(norm(p, at("out_norm"), EPS, h, { silu: true }), at("out_conv"));
      }),
  };
}

/** The layers in order, under their names. */
function plan(config: DhariwalConfig) {
  const { resolution, channels = 192, multipliers = [1, 2, 3, 4], blocks = 3, prefix = "" } = config;
  const { attention = [32, 16, 8] } = config;
  const levels = multipliers.length;
  const name = (part: "enc" | "dec", level: number) => {
    const side = resolution >> level;
    return `${prefix}${part}.${side}x${side}`;
  };
  const attends = (level: number) => attention.includes(resolution >> level);
  let C = channels * (multipliers[0] as number);
  const first = { at: `${name("enc", 0)}_conv`, to: C };
  const widths = [C];
  const enc: Block[] = [];
  multipliers.forEach((m, level) => {
    const at = name("enc", level);
    if (level) {
      enc.push({ at: `${at}_down`, from: C, to: C, way: "down" });
      widths.push(C);
    }
    for (let k = 0; k < blocks; k++) {
      enc.push({ at: `${at}_block${k}`, from: C, to: channels * m, attends: attends(level) });
      widths.push((C = channels * m));
    }
  });
  const dec: (Block & { joins?: true })[] = [];
  for (let level = levels - 1; level >= 0; level--) {
    const at = name("dec", level);
    if (level === levels - 1)
      dec.push({ at: `${at}_in0`, from: C, to: C, attends: true }, { at: `${at}_in1`, from: C, to: C });
    else dec.push({ at: `${at}_up`, from: C, to: C, way: "up" });
    const to = channels * (multipliers[level] as number);
    for (let k = 0; k <= blocks; k++) {
      const from = C + (widths.pop() as number);
      dec.push({ at: `${at}_block${k}`, from, to, attends: attends(level), joins: true });
      C = to;
    }
  }
  return { enc, dec, first, last: C };
}

/** PyTorch's own initial values; zero in the last layer of a branch. */
const kaiming: Declare = (specs, at, out, into, k, role) =>
  declare.conv(specs, at, out, into, k || 1, { zero: role === "last", rank: k ? 4 : 2 });
