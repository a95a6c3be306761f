/**
 * The residual block of EDM's U-Nets [Karras et al. 2022], under its names.
 *   h = conv0(resample(silu(norm0(x))))                s = 1/sqrt(2) in SongUNet, 1 in DhariwalUNet
 *   h = silu(norm1(h + affine(emb)))                   SongUNet
 *   h = silu((1 + scale) norm1(h) + shift)             DhariwalUNet: affine(emb) gives scale and shift
 *   h = s (conv1(h) + skip(resample(x)))
 *   h = s (proj(attention(norm2(h))) + h)              where there is attention
 */
import { attentionQkv } from "../../kernels/attention.ts";
import { add } from "../../kernels/broadcast.ts";
import { cast } from "../../kernels/cast.ts";
import { conv2d } from "../../kernels/conv2d.ts";
import { firDown, firUp } from "../../kernels/fir.ts";
import { type GroupNormOptions, groupNorm } from "../../kernels/group_norm.ts";
import { linear } from "../../kernels/matmul.ts";
import { nearestUp } from "../../kernels/nearest_up.ts";
import { avgPool2 } from "../../kernels/pool.ts";
import { reshape } from "../../kernels/reshape.ts";
import { ShapeError } from "../errors.ts";
import type { Shape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { inBlock } from "./checkpointed.ts";
import { declare as layers } from "./layers.ts";
import { type Labels, labelRows, type Params, type Specs } from "./net.ts";

export interface Block {
  /** Where its parameters are. */
  at: string;
  from: number;
  to: number;
  way?: "up" | "down";
  attends?: boolean;
}

/** Declares a k x k convolution, or with k = 0 a linear layer. `last` in its branch, it begins at or near zero. */
export type Declare = (specs: Specs, at: string, out: number, into: number, k: number, role?: "qkv" | "last") => void;

/** What tells the blocks of one network from those of another. */
export interface Style {
  /** Channels of the embedding. */
  width: number;
  /** s above. */
  scale: number;
  eps: number;
  /** The embedding scales and shifts after the norm, and is not added before it. */
  adaptive: boolean;
  /** Blocks that resample have a 1x1 convolution beside them even where the channels stay. */
  project: boolean;
  /** 0: no attention, whatever the block says. */
  heads(channels: number): number;
  filter: readonly number[];
  declare: Declare;
}

type NormOptions = Omit<GroupNormOptions, "groups" | "eps" | "x2"> & { x2?: Tensor | undefined };

/** A norm over groups of at least 4 channels, at most 32 groups. */
export const norm = (p: Params, at: string, eps: number, x: Tensor, more: NormOptions = {}): Tensor => {
  const gamma = p[`${at}.weight`] as Tensor;
  const groups = Math.min(32, Math.floor((gamma.shape[0] as number) / 4));
  return groupNorm(x, gamma, p[`${at}.bias`] as Tensor, { groups, eps, ...more } as GroupNormOptions);
};

export function unetBlocks({ width, scale, eps, adaptive, project, heads, filter, declare }: Style) {
  const resample = resampler(filter);
  const projects = ({ from, to, way }: Block) => from !== to || (way !== undefined && project);
  const attends = ({ attends, to }: Block) => attends && heads(to) > 0;
  return {
    resample,

    declare(specs: Specs, buffers: Record<string, Shape>, block: Block): void {
      const { at, from, to, way } = block;
      layers.norm(specs, `${at}.norm0`, from);
      declare(specs, `${at}.conv0`, to, from, 3);
      if (way) declareFilter(buffers, `${at}.conv0`, filter);
      declare(specs, `${at}.affine`, adaptive ? 2 * to : to, width, 0);
      layers.norm(specs, `${at}.norm1`, to);
      declare(specs, `${at}.conv1`, to, to, 3, "last");
      if (projects(block)) declare(specs, `${at}.skip`, to, from, 1);
      if (way) declareFilter(buffers, `${at}.skip`, filter);
      if (!attends(block)) return;
      layers.norm(specs, `${at}.norm2`, to);
      declare(specs, `${at}.qkv`, 3 * to, to, 1, "qkv");
      declare(specs, `${at}.proj`, to, to, 1, "last");
    },

    /** x, or [x, x2] where a skip connection joins, with the activated embedding [N, width]. `again`: see `checkpointed`. */
    run(p: Params, block: Block, x: Tensor, emb: Tensor, x2?: Tensor, again?: boolean): Tensor {
      const { at, to, way } = block;
      const f = (p: Params, x: Tensor, emb: Tensor, x2: Tensor | undefined) => {
        const conv = (h: Tensor, name: string, more: object = {}) =>
          conv2d(h, p[`${at}.${name}.weight`] as Tensor, { bias: p[`${at}.${name}.bias`] as Tensor, ...more });
        let beside = x;
        let h = norm(p, `${at}.norm0`, eps, x, { silu: true, x2 });
        if (way) [h, beside] = [resample(h, way), resample(x, way)];
        h = conv(h, "conv0", { padding: 1 });
        const [N, H, W] = h.shape as [number, number, number];
        const e = linear(emb, p[`${at}.affine.weight`] as Tensor, p[`${at}.affine.bias`] as Tensor);
        if (adaptive) h = norm(p, `${at}.norm1`, eps, h, { silu: true, scaleShift: e });
        else h = norm(p, `${at}.norm1`, eps, add(h, reshape(cast(e, h.dtype), [N, 1, 1, to])), { silu: true });
        const residual = projects(block) ? conv(beside, "skip", { x2 }) : beside;
        h = conv(h, "conv1", { padding: 1, residual, scale });
        if (!attends(block)) return h;
        const qkv = reshape(conv(norm(p, `${at}.norm2`, eps, h), "qkv"), [N, H * W, 3 * to]);
        const a = attentionQkv(qkv, { heads: heads(to), order: "edm" });
        return conv(reshape(a, [N, H, W, to]), "proj", { residual: h, scale });
      };
      return inBlock(again, f, p, at, x, emb, x2);
    },
  };
}

/** Twice or half the size, by a filter r along both axes: r / sum r each way, times 2 on the way up. */
function resampler(r: readonly number[]): (x: Tensor, way: "up" | "down") => Tensor {
  if (!r.length || r.length % 2) throw new ShapeError(`edm: a filter of even length expected, got [${r}]`);
  if (r.length === 2 && r[0] === r[1]) return (x, way) => (way === "up" ? nearestUp(x) : avgPool2(x));
  const turned = [...r].reverse(); // down it correlates, and so up, its adjoint, it convolves
  return (x, way) => (way === "up" ? firUp(x, r) : firDown(x, turned));
}

/** Names the buffer in which the checkpoint keeps a layer's filter; ours is in the configuration. */
export function declareFilter(buffers: Record<string, Shape>, at: string, filter: readonly number[]): void {
  buffers[`${at}.resample_filter`] = [1, 1, filter.length, filter.length];
}

/** Classes as rows [N, classes]; none is zeros, as EDM has it. */
export const classRows = (who: string, label: Labels["label"], N: number, classes: number): Tensor =>
  labelRows(who, label ?? Array.from({ length: N }, () => new Array<number>(classes).fill(0)), N, classes);
