import { ShapeError } from "../src/errors.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { nhwc } from "./nhwc.ts";

type Pair = readonly [number, number];
export type Padding = readonly [top: number, bottom: number, left: number, right: number];
export interface WindowOptions {
  stride?: number | Pair;
  /** Zeros around x; one number for all sides. */
  padding?: number | Padding;
  groups?: number;
}

/** How a kernel walks over an image. */
export interface Window {
  readonly stride: Pair;
  readonly padding: Padding;
  readonly groups: number;
}

export function windowOf(name: string, { stride = 1, padding = 0, groups = 1 }: WindowOptions): Window {
  const w: Window = {
    stride: typeof stride === "number" ? [stride, stride] : stride,
    padding: typeof padding === "number" ? [padding, padding, padding, padding] : padding,
    groups,
  };
  if (![...w.stride, groups].every((n) => Number.isInteger(n) && n > 0))
    throw new RangeError(`${name}: stride and groups must be positive integers, got ${w.stride} and ${groups}`);
  if (w.padding.length !== 4 || !w.padding.every((n) => Number.isInteger(n) && n >= 0))
    throw new RangeError(
      `${name}: padding must be a number or [top, bottom, left, right], none negative, got ${w.padding}`,
    );
  return w;
}

/** Sizes of the weights, [Cout, Cin / groups, kh, kw]. */
export function sizesOf(name: string, weight: Tensor): [O: number, I: number, KH: number, KW: number] {
  if (weight.shape.length !== 4)
    throw new ShapeError(`${name}: weight expects [Cout, Cin / groups, kh, kw], got [${weight.shape}]`);
  return weight.shape as unknown as [number, number, number, number];
}

/** What convolving [N, H, W, C] gives. */
export function outputSize(
  name: string,
  x: Tensor,
  weight: Tensor,
  { stride, padding }: Window,
): [number, number, number, number] {
  const [N, H, W] = nhwc(name, x);
  const [O, , KH, KW] = sizesOf(name, weight);
  const OH = Math.floor((H + padding[0] + padding[1] - KH) / stride[0]) + 1;
  const OW = Math.floor((W + padding[2] + padding[3] - KW) / stride[1]) + 1;
  if (OH < 1 || OW < 1)
    throw new ShapeError(`${name}: a ${KH} x ${KW} kernel does not fit [${x.shape}] padded by [${padding}]`);
  return [N, OH, OW, O];
}
