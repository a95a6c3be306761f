/**
 * ADM U-Net [Dhariwal & Nichol 2021], layer for layer as guided-diffusion's UNetModel, parameters under its names.
 *   emb = time_embed(t)                              h = x
 *   for block in input_blocks:  h = block(h, emb); push h
 *   h = middle_block(h, emb)
 *   for block in output_blocks: h = block([h, pop], emb)          a skip connection is read in place, never copied
 *   y = conv(silu(norm(h)))
 */
import { attentionQkv } from "../../kernels/attention.ts";
import { add } from "../../kernels/broadcast.ts";
import { cast } from "../../kernels/cast.ts";
import { conv2d } from "../../kernels/conv2d.ts";
import { silu } from "../../kernels/elementwise.ts";
import { sinusoidal } from "../../kernels/embedding.ts";
import { groupNorm } from "../../kernels/group_norm.ts";
import { linear, matmul } from "../../kernels/matmul.ts";
import { nearestUp } from "../../kernels/nearest_up.ts";
import { avgPool2 } from "../../kernels/pool.ts";
import { reshape } from "../../kernels/reshape.ts";
import { ShapeError } from "../errors.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { inBlock } from "./checkpointed.ts";
import { declare } from "./layers.ts";
import { type Labels, labelRows, type Net, type Params, type PerSample, perSample, type Specs } from "./net.ts";

export interface AdmConfig {
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
  heads?: number;
  /** When given, the number of heads follows from it. */
  headChannels?: number;
  /** Norm, then (1 + scale) h + shift from the embedding; otherwise the embedding is added before the norm. */
  scaleShift?: boolean;
  /** Resampling inside residual blocks; otherwise by strided and plain convolutions. */
  updown?: boolean;
  /** q, k, v outermost in the rows of qkv; otherwise heads are ("legacy", as the released 256 models). */
  newOrder?: boolean;
  classes?: number;
}

type Layer =
  | { kind: "conv" | "down" | "up"; at: string; from: number; to: number }
  | { kind: "res"; at: string; from: number; to: number; resample?: "up" | "down" }
  | { kind: "attention"; at: string; from: number; to: number };

/** The network, and its parts for those who come between. */
export interface AdmUnet extends Net {
  /** Channels of what `encode` gives. */
  readonly widths: readonly number[];
  /** silu of the embedding of times and labels. */
  embed(params: Params, t: PerSample, N: number, labels?: Labels): Tensor;
  /** What each input block gives, for the skip connections, and the middle block's. `hint` is added to the first. */
  encode(params: Params, x: Tensor, emb: Tensor, options?: Pick<Labels, "checkpoint"> & { hint?: Tensor }): Tensor[];
  /** From these to the output. They are freed on the way. */
  decode(params: Params, hs: readonly Tensor[], emb: Tensor, options?: Pick<Labels, "checkpoint">): Tensor;
}

export function admUnet(config: AdmConfig): AdmUnet {
  const { resolution, inChannels = 3, outChannels = 3, channels, multipliers, blocks = 2, attention = [] } = config;
  const { heads = 1, headChannels, scaleShift = true, updown = true, newOrder = false, classes } = config;
  if (channels % 32) throw new ShapeError(`admUnet: ${channels} channels do not divide into 32 groups`);
  const width = 4 * channels;
  const { input, middle, output } = plan({ resolution, inChannels, channels, multipliers, blocks, attention, updown });

  const parameters: Specs = {};
  declare.linear(parameters, "time_embed.0", width, channels);
  declare.linear(parameters, "time_embed.2", width, width);
  if (classes) parameters["label_emb.weight"] = { shape: [classes, width], init: { std: 1 } };
  for (const layer of [...input.flat(), ...middle, ...output.flat()])
    declareLayer(parameters, layer, width, scaleShift);
  const last = channels * (multipliers[0] as number);
  declare.norm(parameters, "out.0", last);
  declare.conv(parameters, "out.2", outChannels, last, 3, { zero: true });

  const headsOf = (C: number) => (headChannels ? C / headChannels : heads);
  const run = (layer: Layer, p: Params, h: Tensor, skip: Tensor | undefined, emb: Tensor): Tensor => {
    const w = (name: string) => p[`${layer.at}.${name}`] as Tensor;
    const norm = (x: Tensor, name: string, more: object = {}) =>
      groupNorm(x, w(`${name}.weight`), w(`${name}.bias`), { groups: 32, eps: 1e-5, ...more });
    const conv = (x: Tensor, name: string, more: object = {}) => {
      const weight = w(`${name}.weight`); // 1-D convolutions [O, I, 1] act on pixels all the same
      return conv2d(x, weight.shape.length === 3 ? reshape(weight, [...weight.shape, 1]) : weight, {
        bias: w(`${name}.bias`),
        ...more,
      });
    };
    switch (layer.kind) {
      case "conv":
        return conv2d(h, p[`${layer.at}.weight`] as Tensor, { bias: p[`${layer.at}.bias`] as Tensor, padding: 1 });
      case "down":
        return conv(h, "op", { stride: 2, padding: 1 });
      case "up":
        return conv(nearestUp(h), "conv", { padding: 1 });
      case "attention": {
        const [N, H, W, C] = h.shape as [number, number, number, number];
        const qkv = reshape(conv(norm(h, "norm"), "qkv"), [N, H * W, 3 * C]);
        const a = attentionQkv(qkv, { heads: headsOf(C), order: newOrder ? "new" : "legacy" });
        return conv(reshape(a, [N, H, W, C]), "proj_out", { residual: h });
      }
      case "res": {
        const resample = layer.resample && (layer.resample === "up" ? (x: Tensor) => nearestUp(x) : avgPool2);
        let x = h;
        let a = norm(h, "in_layers.0", { silu: true, x2: skip });
        if (resample) [a, x] = [resample(a), resample(h)];
        a = conv(a, "in_layers.2", { padding: 1 });
        const e = linear(emb, w("emb_layers.1.weight"), w("emb_layers.1.bias"));
        if (scaleShift) a = norm(a, "out_layers.0", { silu: true, scaleShift: e });
        else
          a = norm(add(a, reshape(cast(e, a.dtype), [a.shape[0] as number, 1, 1, layer.to])), "out_layers.0", {
            silu: true,
          });
        const residual = layer.from === layer.to ? x : conv(x, "skip_connection", { x2: skip });
        return conv(a, "out_layers.3", { padding: 1, residual });
      }
    }
  };

  const embed: AdmUnet["embed"] = (p, t, N, { label } = {}) =>
    scope(() => {
      const dense = (h: Tensor, name: string) => linear(h, p[`${name}.weight`] as Tensor, p[`${name}.bias`] as Tensor);
      const times = sinusoidal(perSample(t, N), channels, { kind: "adm" }); // the embedding stays f32
      const emb = dense(silu(dense(times, "time_embed.0")), "time_embed.2");
      if (!classes) return silu(emb); // every block begins with it
      return silu(
        add(emb, matmul(labelRows("admUnet", label, N, classes), cast(p["label_emb.weight"] as Tensor, "f32"))),
      );
    });
  /** One block. What it was given is freed, save what is `kept`. */
  const through = (p: Params, layers: readonly Layer[], x: Tensor, emb: Tensor, options: BlockOptions): Tensor => {
    const { kept, skip, checkpoint } = options;
    let h = x;
    layers.forEach((layer, i) => {
      const before = h;
      // a lone convolution has no inside
      const again = checkpoint && layer.kind !== "conv" && layer.kind !== "down";
      h = inBlock(again, run.bind(undefined, layer), p, layer.at, before, i === 0 ? skip : undefined, emb);
      if (!kept.includes(before)) before.dispose();
    });
    skip?.dispose();
    return h;
  };
  const encode: AdmUnet["encode"] = (p, x, emb, { checkpoint, hint } = {}) => {
    const hs: Tensor[] = [];
    let h = x;
    for (const layers of input) {
      h = through(p, layers, h, emb, { kept: [x, ...hs], checkpoint });
      if (hint && !hs.length) h = add(h, hint);
      hs.push(h);
    }
    return [...hs, through(p, middle, h, emb, { kept: hs, checkpoint })];
  };
  const decode: AdmUnet["decode"] = (p, hs, emb, { checkpoint } = {}) => {
    const skips = [...hs];
    let h = skips.pop() as Tensor;
    for (const layers of output) h = through(p, layers, h, emb, { kept: [], skip: skips.pop(), checkpoint });
    const y = groupNorm(h, p["out.0.weight"] as Tensor, p["out.0.bias"] as Tensor, {
      groups: 32,
      eps: 1e-5,
      silu: true,
    });
    return conv2d(y, p["out.2.weight"] as Tensor, { bias: p["out.2.bias"] as Tensor, padding: 1 });
  };
  return {
    name: "admUnet",
    inChannels,
    outChannels,
    multipleOf: 2 ** (multipliers.length - 1),
    parameters,
    widths: [...input, middle].map((layers) => (layers.at(-1) as Layer).to),
    ...{ embed, encode, decode },
    apply: (p, x, t, labels) =>
      scope(() => {
        const emb = embed(p, t, x.shape[0] as number, labels);
        return decode(p, encode(p, x, emb, labels), emb, labels);
      }),
  };
}

interface BlockOptions {
  readonly kept: readonly Tensor[];
  readonly skip?: Tensor | undefined;
  readonly checkpoint?: boolean | undefined;
}

/** The layers of each block, in order, under their names. */
function plan(
  c: Required<
    Pick<AdmConfig, "resolution" | "inChannels" | "channels" | "multipliers" | "blocks" | "attention" | "updown">
  >,
) {
  const input: Layer[][] = [];
  const output: Layer[][] = [];
  const levels = c.multipliers.length;
  const widths: number[] = [];
  let C = c.channels * (c.multipliers[0] as number);
  input.push([{ kind: "conv", at: "input_blocks.0.0", from: c.inChannels, to: C }]);
  widths.push(C);
  c.multipliers.forEach((m, level) => {
    const attends = c.attention.includes(c.resolution / 2 ** level);
    for (let k = 0; k < c.blocks; k++) {
      const at = `input_blocks.${input.length}`;
      const to = c.channels * m;
      input.push([
        { kind: "res", at: `${at}.0`, from: C, to },
        ...(attends ? [{ kind: "attention" as const, at: `${at}.1`, from: to, to }] : []),
      ]);
      widths.push((C = to));
    }
    if (level === levels - 1) return;
    const at = `input_blocks.${input.length}.0`;
    input.push([
      c.updown ? { kind: "res", at, from: C, to: C, resample: "down" } : { kind: "down", at, from: C, to: C },
    ]);
    widths.push(C);
  });
  const mid = (i: number) => `middle_block.${i}`;
  const middle: Layer[] = [
    { kind: "res", at: mid(0), from: C, to: C },
    { kind: "attention", at: mid(1), from: C, to: C },
    { kind: "res", at: mid(2), from: C, to: C },
  ];
  for (let level = levels - 1; level >= 0; level--) {
    const attends = c.attention.includes(c.resolution / 2 ** level);
    for (let k = 0; k <= c.blocks; k++) {
      const at = `output_blocks.${output.length}`;
      const to = c.channels * (c.multipliers[level] as number);
      const layers: Layer[] = [{ kind: "res", at: `${at}.0`, from: C + (widths.pop() as number), to }];
      C = to;
      if (attends) layers.push({ kind: "attention", at: `${at}.1`, from: C, to: C });
      if (level > 0 && k === c.blocks) {
        const up = `${at}.${layers.length}`;
        layers.push(
          c.updown ? { kind: "res", at: up, from: C, to: C, resample: "up" } : { kind: "up", at: up, from: C, to: C },
        );
      }
      output.push(layers);
    }
  }
  return { input, middle, output };
}

function declareLayer(specs: Specs, { kind, at, from, to }: Layer, width: number, scaleShift: boolean): void {
  if (kind === "conv") declare.conv(specs, at, to, from, 3);
  else if (kind === "down") declare.conv(specs, `${at}.op`, to, from, 3);
  else if (kind === "up") declare.conv(specs, `${at}.conv`, to, from, 3);
  else if (kind === "attention") {
    declare.norm(specs, `${at}.norm`, from);
    declare.conv(specs, `${at}.qkv`, 3 * from, from, 1, { rank: 3 });
    declare.conv(specs, `${at}.proj_out`, from, from, 1, { rank: 3, zero: true });
  } else {
    declare.norm(specs, `${at}.in_layers.0`, from);
    declare.conv(specs, `${at}.in_layers.2`, to, from, 3);
    declare.linear(specs, `${at}.emb_layers.1`, scaleShift ? 2 * to : to, width);
    declare.norm(specs, `${at}.out_layers.0`, to);
    declare.conv(specs, `${at}.out_layers.3`, to, to, 3, { zero: true });
    if (from !== to) declare.conv(specs, `${at}.skip_connection`, to, from, 1);
  }
}
