import { mul } from "../../kernels/broadcast.ts";
import { sum } from "../../kernels/reduce.ts";
import { ShapeError } from "../errors.ts";
import { type LinearOperator, linear } from "../linalg/operator.ts";
import { scope } from "../tensor/scope.ts";
import type { Shape } from "../tensor/shape.ts";
import { tensor } from "../tensor/tensor.ts";
import { pictureOf } from "./picture_shape.ts";

/** `ddrm`: the mean, to four digits. `rec601`: luma, as deepinv has it. */
const WEIGHTS = { ddrm: [0.3333, 0.3334, 0.3333], rec601: [0.299, 0.587, 0.114] } as const;

/**
 * Grey from colour: y = w . x for each pixel, [H, W, 1]. A A^T = |w|^2, from which follow
 *   A+ y = w y/|w|^2          prox   v + w (y - w . v)/(|w|^2 + rho)
 */
export function grey(
  shape: Shape,
  { weights = "ddrm" }: { weights?: keyof typeof WEIGHTS | readonly number[] } = {},
): LinearOperator {
  const domain = pictureOf("grey", shape);
  const [H, W, C] = domain;
  const numbers = typeof weights === "string" ? WEIGHTS[weights] : weights;
  if (numbers?.length !== C || !numbers.every(Number.isFinite))
    throw new ShapeError(`grey: ${C} weights expected for [${domain.join(", ")}], got [${numbers}]`);
  const w = tensor([1, 1, 1, C], numbers);
  return linear({
    name: "grey",
    domain,
    range: [H, W, 1],
    holds: w,
    tight: numbers.reduce((s, v) => s + v * v, 0),
    apply: (x) => scope(() => sum(mul(x, w), { axes: [3], keep: true })),
    adjoint: (y) => mul(y, w),
  });
}
