import { attention } from "../../kernels/attention.ts";
import { add } from "../../kernels/broadcast.ts";
import { cast } from "../../kernels/cast.ts";
import { concat } from "../../kernels/concat.ts";
import { type Conv2dOptions, conv2d } from "../../kernels/conv2d.ts";
import { firBeforeConv, firDown, firUp } from "../../kernels/fir.ts";
import { type GroupNormOptions, groupNorm } from "../../kernels/group_norm.ts";
import { linear } from "../../kernels/matmul.ts";
import { nearestUp } from "../../kernels/nearest_up.ts";
import { avgPool2 } from "../../kernels/pool.ts";
import { reshape } from "../../kernels/reshape.ts";
import { transpose } from "../../kernels/transpose.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { hasShortcut, type Step } from "./ncsnpp_plan.ts";
import type { Params } from "./net.ts";

/** How all layers of a network resample, and what multiplies each sum: 1/sqrt 2, or 1. */
export interface Manner {
  fir: readonly number[] | undefined;
  scale: number;
}
export const up = (h: Tensor, { fir }: Manner): Tensor => (fir ? firUp(h, fir) : nearestUp(h));
export const down = (h: Tensor, { fir }: Manner): Tensor => (fir ? firDown(h, fir) : avgPool2(h));
/** The official name of the convolution that takes the input pyramid down. */
export const pyramidName = (fir: Manner["fir"]) => (fir ? "Conv2d_0" : "Conv_0");

const weight = (p: Params, at: number, name: string) => p[`all_modules.${at}.${name}`] as Tensor;

/** The convolution in module `at`; of its own name when it is the module. */
export function conv(p: Params, at: number, name: string, h: Tensor, options: Conv2dOptions = {}): Tensor {
  const dot = name && `${name}.`;
  return conv2d(h, weight(p, at, `${dot}weight`), { bias: weight(p, at, `${dot}bias`), ...options });
}

export function norm(p: Params, at: number, name: string, h: Tensor, more: Partial<GroupNormOptions> = {}): Tensor {
  const dot = name && `${name}.`;
  const gamma = weight(p, at, `${dot}weight`);
  const groups = Math.min(Math.floor((gamma.shape[0] as number) / 4), 32);
  return groupNorm(h, gamma, weight(p, at, `${dot}bias`), { groups, eps: 1e-6, ...more });
}

/** x W + b over channels, W [in, out]: a 1x1 convolution whose weight is stored the other way. */
function nin(p: Params, at: number, name: string, h: Tensor, more: Conv2dOptions = {}): Tensor {
  const turned = transpose(weight(p, at, `${name}.W`));
  return conv2d(h, reshape(turned, [...turned.shape, 1, 1]), { bias: weight(p, at, `${name}.b`), ...more });
}

/** BigGAN's residual block of [x, skip]; resampling acts on both branches, between activation and convolution. */
export function residual(p: Params, step: Step, x: Tensor, skip: Tensor | undefined, e: Tensor, by: Manner): Tensor {
  const { at, to } = step;
  let a = norm(p, at, "GroupNorm_0", x, { silu: true, x2: skip });
  let own = x;
  if (step.resample) {
    const resample = step.resample === "up" ? up : down;
    [a, own] = [resample(a, by), resample(x, by)];
  }
  a = conv(p, at, "Conv_0", a, { padding: 1 });
  const shift = linear(e, weight(p, at, "Dense_0.weight"), weight(p, at, "Dense_0.bias"));
  a = add(a, reshape(cast(shift, a.dtype), [a.shape[0] as number, 1, 1, to]));
  a = norm(p, at, "GroupNorm_1", a, { silu: true });
  if (hasShortcut(step)) own = conv(p, at, "Conv_2", own, { x2: skip });
  return conv(p, at, "Conv_1", a, { padding: 1, residual: own, scale: by.scale });
}

/** One head over all pixels. */
export function attend(p: Params, at: number, x: Tensor, { scale }: Manner): Tensor {
  const [N, H, W, C] = x.shape as [number, number, number, number];
  const h = norm(p, at, "GroupNorm_0", x);
  const tokens = (name: string) => reshape(nin(p, at, name, h), [N, H * W, C]);
  const a = attention(tokens("NIN_0"), tokens("NIN_1"), tokens("NIN_2"), { heads: 1 });
  return nin(p, at, "NIN_3", reshape(a, [N, H, W, C]), { residual: x, scale });
}

/** The input pyramid, already as small as h, joins it. */
export function combined(p: Params, at: number, pyramid: Tensor, h: Tensor, how: "sum" | "cat"): Tensor {
  if (how === "sum") return conv(p, at, "Conv_0", pyramid, { residual: h });
  return scope(() => concat([conv(p, at, "Conv_0", pyramid), h]));
}

/** The input pyramid goes down by a strided convolution and is added to h; the sum is the new pyramid. */
export function merged(p: Params, at: number, pyramid: Tensor, h: Tensor, { fir, scale }: Manner): Tensor {
  const name = pyramidName(fir);
  const options = { stride: 2, residual: h, scale };
  if (!fir) return conv(p, at, name, pyramid, { ...options, padding: [0, 1, 0, 1] });
  return scope(() => conv(p, at, name, firBeforeConv(pyramid, fir), options));
}
