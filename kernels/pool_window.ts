import { ShapeError } from "../src/errors.ts";
import { grid1d, lanesFor } from "../src/tensor/kernel.ts";
import type { Shape } from "../src/tensor/shape.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { channels, natural, nhwc } from "./nhwc.ts";

export interface PoolOptions {
  /** Side of the windows, in pixels. */
  size: number;
  /** From one window to the next; `size` when left out. */
  stride?: number;
  /** Pixels on all sides that hold nothing; at most half of a window. */
  padding?: number;
  /** A last window for rows and columns that fill none; otherwise they are dropped. */
  ceil?: boolean;
}
export interface Windows {
  size: number;
  stride: number;
  padding: number;
  /** Of the image, [N, H, W, C]. */
  from: Shape;
  /** Of the result, [N, Ho, Wo, C]. */
  to: Shape;
}

/** PyTorch's rule: with `ceil`, the last window must still begin in the image or in the padding before it. */
export function windowsOf(name: string, x: Tensor, { size, stride = size, padding = 0, ceil }: PoolOptions): Windows {
  const [N, H, W, C] = nhwc(name, x);
  natural(name, "size and stride", size, stride);
  if (!Number.isInteger(padding) || padding < 0 || 2 * padding > size)
    throw new RangeError(`${name}: padding must be from 0 to half of the size ${size}, got ${padding}`);
  const count = (length: number) => {
    const steps = (length + 2 * padding - size) / stride;
    const n = (ceil ? Math.ceil(steps) : Math.floor(steps)) + 1;
    return ceil && (n - 1) * stride >= length + padding ? n - 1 : n;
  };
  const [Ho, Wo] = [count(H), count(W)];
  if (Ho < 1 || Wo < 1)
    throw new ShapeError(`${name}: a ${size} x ${size} window does not fit [${x.shape}] padded by ${padding}`);
  return { size, stride, padding, from: x.shape, to: [N, Ho, Wo, C] };
}

const vectors = (t: Tensor, [N, H, W]: Shape) =>
  ((N as number) * (H as number) * (W as number) * channels(t)) / lanesFor(channels(t));

/** What the shaders share: `t` is any of their tensors, `over` the shape that is dispatched over. */
export const poolParams = (t: Tensor, { from, to, size, stride, padding }: Windows, over: Shape) => ({
  ...{ n: vectors(t, over), C: channels(t) / lanesFor(channels(t)), size, stride, padding },
  ...{ H: from[1] as number, W: from[2] as number, Ho: to[1] as number, Wo: to[2] as number },
});
export const poolGrid = (t: Tensor, over: Shape, wg: number) => grid1d(vectors(t, over), wg);
