import { ShapeError } from "../src/errors.ts";
import type { Tensor } from "../src/tensor/tensor.ts";

/** The sizes of an image tensor, or an error that names the op. */
export function nhwc(name: string, x: Tensor): [N: number, H: number, W: number, C: number] {
  if (x.shape.length !== 4) throw new ShapeError(`${name}: expected [N, H, W, C], got [${x.shape}]`);
  return x.shape as unknown as [number, number, number, number];
}

/** Floats along the innermost axis: a complex number is two, which linear maps may treat as two channels. */
export const channels = (x: Tensor): number => (x.shape.at(-1) as number) * (x.dtype === "c64" ? 2 : 1);

export const natural = (name: string, what: string, ...values: readonly number[]): void => {
  if (values.some((v) => !Number.isInteger(v) || v < 1))
    throw new RangeError(`${name}: ${what} must be a positive integer, got ${values}`);
};
