import type { Maybe } from "../src/tensor/op.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { add, div, mul, sub } from "./broadcast.ts";
import { cast } from "./cast.ts";
import { concat, split } from "./concat.ts";
import { affine, silu, sqrt, square } from "./elementwise.ts";
import type { GroupNormOptions } from "./group_norm.ts";
import { mean } from "./reduce.ts";
import { reshape } from "./reshape.ts";

/** `groupNorm` written in ops: slower, and differentiable as often as one likes. Same arguments, checked by the caller. */
export function groupNormOps(x1: Tensor, gamma: Maybe, beta: Maybe, options: GroupNormOptions): Tensor {
  const { groups, eps = 1e-5, x2, scaleShift } = options;
  const stored = x2 ? concat([x1, x2]) : x1;
  const x = wide(stored);
  const [N, C] = [x.shape[0] as number, x.shape.at(-1) as number];
  const grouped = reshape(x, [N, -1, groups, C / groups]);
  const over = { axes: [1, 3], keep: true };
  const d = sub(grouped, mean(grouped, over));
  const deviation = sqrt(affine(mean(square(d), over), 1, eps));
  let y = reshape(div(d, deviation), [N, -1, C]);
  if (gamma && beta) y = add(mul(y, gamma), beta);
  const [scale, shift] = scaleShift
    ? split(wide(scaleShift), [C, C])
    : [options.scale, options.shift].map((t) => t && wide(t));
  if (scale && shift) y = add(mul(y, affine(reshape(scale, [N, 1, C]), 1, 1)), reshape(shift, [N, 1, C]));
  y = reshape(options.silu ? silu(y) : y, x.shape);
  return stored.dtype === "f16" ? cast(y, "f16") : y;
}

const wide = (t: Tensor): Tensor => (t.dtype === "f16" ? cast(t, "f32") : t);
