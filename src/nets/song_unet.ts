/**
 * EDM's SongUNet [Karras et al. 2022]: DDPM++ and NCSN++ of Song et al. 2021, layer for layer, under its names.
 *   emb = silu(map_layer1(silu(map_layer0(noise(t) + map_label(sqrt(classes) label) + map_augment(augment)))))
 *   for block in enc: h = block(h, emb); push h
 *     encoder "skip":      h = h + conv1x1(down(..down(x)))          after each downsampling
 *     encoder "residual":  h = aux = (h + conv(down(aux))) / sqrt(2), aux = x at first
 *   for block in dec: h = block([h, pop], emb)
 *     y = conv(silu(norm(h)))   at full size; decoder "skip": at every size, y = up(y) + conv(silu(norm(h)))
 * DDPM++: positional embedding, encoder and decoder standard. NCSN++: Fourier embedding twice as wide, encoder residual,
 * filter [1, 3, 3, 1].
 */
import { add } from "../../kernels/broadcast.ts";
import { conv2d } from "../../kernels/conv2d.ts";
import { affine, silu } from "../../kernels/elementwise.ts";
import { sinusoidal } from "../../kernels/embedding.ts";
import { firBeforeConv } from "../../kernels/fir.ts";
import { fourier } from "../../kernels/fourier.ts";
import { linear } from "../../kernels/matmul.ts";
import { scope } from "../tensor/scope.ts";
import type { Shape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Block, classRows, type Declare, declareFilter, norm, unetBlocks } from "./edm_block.ts";
import { declare } from "./layers.ts";
import { type Labels, labelRows, type Net, type Params, perSample, type Specs } from "./net.ts";

export interface SongConfig {
  /** The side it was trained at: it names the layers, and decides where attention goes. */
  resolution: number;
  inChannels?: number;
  outChannels?: number;
  channels?: number;
  multipliers?: readonly number[];
  /** Channels of the embedding, and of the noise label before it, as multiples of `channels`. */
  embMultiplier?: number;
  noiseMultiplier?: number;
  /** Residual blocks per level. */
  blocks?: number;
  /** Sides at which there is attention. The middle always has it. */
  attention?: readonly number[];
  embedding?: "positional" | "fourier";
  encoder?: "standard" | "skip" | "residual";
  decoder?: "standard" | "skip";
  filter?: readonly number[];
  classes?: number;
  /** Length of the augmentation labels. */
  augments?: number;
  /** Put before every name. */
  prefix?: string;
}

type Down =
  | ({ kind: "block" } & Block)
  | { kind: "conv" | "auxDown" | "auxSkip" | "auxResidual"; at: string; from: number; to: number };
type Up =
  | ({ kind: "block" | "join" } & Block)
  /** The picture at this size; `up`: over that of the size below. */
  | { kind: "aux"; at: string; from: number; up: boolean };

const EPS = 1e-6;

export function songUnet(config: SongConfig): Net {
  const { inChannels = 3, outChannels = 3, channels = 128, multipliers = [1, 2, 2, 2], filter = [1, 1] } = config;
  const { embMultiplier = 4, noiseMultiplier = 1, embedding = "positional", classes, augments, prefix = "" } = config;
  const width = channels * embMultiplier;
  const noise = channels * noiseMultiplier;
  const { enc, dec } = plan(config);
  const at = (name: string) => `${prefix}${name}`;
  const turned = [...filter].reverse();
  const block = unetBlocks({
    ...{ width, filter, scale: Math.SQRT1_2, eps: EPS, adaptive: false, project: true, heads: () => 1 },
    declare: xavier,
  });

  const parameters: Specs = {};
  const buffers: Record<string, Shape> = {};
  if (embedding === "fourier")
    parameters[at("map_noise.freqs")] = { shape: [noise / 2], init: { std: 16 }, buffer: true };
  if (classes) xavier(parameters, at("map_label"), noise, classes, 0);
  if (augments) {
    xavier(parameters, at("map_augment"), noise, augments, 0);
    delete parameters[at("map_augment.bias")];
  }
  xavier(parameters, at("map_layer0"), width, noise, 0);
  xavier(parameters, at("map_layer1"), width, width, 0);
  for (const layer of enc) {
    if (layer.kind === "block") block.declare(parameters, buffers, layer);
    else if (layer.kind === "conv" || layer.kind === "auxResidual")
      xavier(parameters, layer.at, layer.to, layer.from, 3);
    else if (layer.kind === "auxSkip") xavier(parameters, layer.at, layer.to, layer.from, 1);
    if (layer.kind === "auxDown" || layer.kind === "auxResidual") declareFilter(buffers, layer.at, filter);
  }
  for (const layer of dec) {
    if (layer.kind !== "aux") {
      block.declare(parameters, buffers, layer);
      continue;
    }
    if (layer.up) declareFilter(buffers, `${layer.at}_aux_up`, filter);
    declare.norm(parameters, `${layer.at}_aux_norm`, layer.from);
    xavier(parameters, `${layer.at}_aux_conv`, outChannels, layer.from, 3, "last");
  }

  const embed = (p: Params, t: number[], { label, augment }: Labels): Tensor =>
    scope(() => {
      const w = (name: string) => p[at(name)] as Tensor;
      const dense = (h: Tensor, name: string) => linear(h, w(`${name}.weight`), p[at(`${name}.bias`)]);
      let e = embedding === "fourier" ? fourier(t, w("map_noise.freqs")) : sinusoidal(t, noise, { kind: "ddpm" });
      if (classes) {
        const rows = classRows("songUnet", label, t.length, classes);
        e = add(e, dense(affine(rows, Math.sqrt(classes), 0), "map_label"));
      }
      if (augments && augment)
        e = add(e, dense(labelRows("songUnet, augment", augment, t.length, augments), "map_augment"));
      return silu(dense(silu(dense(e, "map_layer0")), "map_layer1"));
    });

  return {
    name: "songUnet",
    inChannels,
    outChannels,
    multipleOf: 2 ** (multipliers.length - 1),
    parameters,
    buffers,
    apply: (p, x, t, labels = {}) =>
      scope(() => {
        const emb = embed(p, perSample(t, x.shape[0] as number), labels);
        const conv = (h: Tensor, name: string, more: object = {}) =>
          conv2d(h, p[`${name}.weight`] as Tensor, { bias: p[`${name}.bias`] as Tensor, ...more });
        const skips: Tensor[] = [];
        let [h, aux] = [x, x];
        const replace = (by: Tensor) => {
          skips.pop()?.dispose();
          skips.push((h = by));
        };
        for (const layer of enc) {
          if (layer.kind === "conv") skips.push((h = conv(h, layer.at, { padding: 1 })));
          else if (layer.kind === "block") skips.push((h = block.run(p, layer, h, emb, undefined, labels.checkpoint)));
          else if (layer.kind === "auxDown") aux = block.resample(aux, "down");
          else if (layer.kind === "auxSkip") replace(conv(aux, layer.at, { residual: h }));
          else {
            const smooth = firBeforeConv(aux, turned);
            replace((aux = conv(smooth, layer.at, { stride: 2, residual: h, scale: Math.SQRT1_2 })));
            smooth.dispose();
          }
        }
        let y: Tensor | undefined;
        for (const layer of dec) {
          if (layer.kind === "aux") {
            const normed = norm(p, `${layer.at}_aux_norm`, EPS, h, { silu: true });
            const below = y && block.resample(y, "up");
            y = conv(normed, `${layer.at}_aux_conv`, { padding: 1, residual: below });
            normed.dispose();
            continue;
          }
          const before = h;
          const skip = layer.kind === "join" ? skips.pop() : undefined;
          h = block.run(p, layer, before, emb, skip, labels.checkpoint);
          skip?.dispose();
          if (!skips.includes(before)) before.dispose();
        }
        return y as Tensor;
      }),
  };
}

/** The layers in order, under their names. */
function plan(config: SongConfig): { enc: Down[]; dec: Up[] } {
  const { resolution, inChannels = 3, channels = 128, multipliers = [1, 2, 2, 2], prefix = "" } = config;
  const { blocks = 4, attention = [16], encoder = "standard", decoder = "standard" } = config;
  const levels = multipliers.length;
  const name = (part: "enc" | "dec", level: number) => {
    const side = resolution >> level;
    return `${prefix}${part}.${side}x${side}`;
  };
  const attends = (level: number) => attention.includes(resolution >> level);
  const enc: Down[] = [{ kind: "conv", at: `${name("enc", 0)}_conv`, from: inChannels, to: channels }];
  const widths = [channels];
  let C = channels;
  let aux = inChannels;
  multipliers.forEach((m, level) => {
    const at = name("enc", level);
    if (level) {
      enc.push({ kind: "block", at: `${at}_down`, from: C, to: C, way: "down" });
      if (encoder === "skip")
        enc.push(
          { kind: "auxDown", at: `${at}_aux_down`, from: aux, to: aux },
          { kind: "auxSkip", at: `${at}_aux_skip`, from: aux, to: C },
        );
      if (encoder === "residual") {
        enc.push({ kind: "auxResidual", at: `${at}_aux_residual`, from: aux, to: C });
        aux = C;
      }
      widths.push(C);
    }
    for (let k = 0; k < blocks; k++) {
      enc.push({ kind: "block", at: `${at}_block${k}`, from: C, to: channels * m, attends: attends(level) });
      widths.push((C = channels * m));
    }
  });
  const dec: Up[] = [];
  for (let level = levels - 1; level >= 0; level--) {
    const at = name("dec", level);
    if (level === levels - 1)
      dec.push(
        { kind: "block", at: `${at}_in0`, from: C, to: C, attends: true },
        { kind: "block", at: `${at}_in1`, from: C, to: C },
      );
    else dec.push({ kind: "block", at: `${at}_up`, from: C, to: C, way: "up" });
    const to = channels * (multipliers[level] as number);
    for (let k = 0; k <= blocks; k++) {
      const from = C + (widths.pop() as number);
      dec.push({ kind: "join", at: `${at}_block${k}`, from, to, attends: k === blocks && attends(level) });
      C = to;
    }
    if (decoder === "skip" || level === 0)
      dec.push({ kind: "aux", at, from: C, up: decoder === "skip" && level < levels - 1 });
  }
  return { enc, dec };
}

/** Weights Xavier-uniform, those of a branch's last layer 1e-5 of that; biases zero. */
const xavier: Declare = (specs, at, out, into, k, role) => {
  const gain = role === "last" ? 1e-5 : role === "qkv" ? Math.sqrt(0.2) : 1;
  const area = k ? k * k : 1;
  const shape = k ? [out, into, k, k] : [out, into];
  specs[`${at}.weight`] = { shape, init: { fanIn: ((into + out) * area) / (6 * gain ** 2) } };
  specs[`${at}.bias`] = { shape: [out], init: 0 };
};
