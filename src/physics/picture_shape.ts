import { ShapeError } from "../errors.ts";
import type { Shape } from "../tensor/shape.ts";

/** [H, W, C] of a picture's shape, with or without its batch. */
export function pictureOf(name: string, shape: Shape): readonly [number, number, number] {
  const picture = shape.slice(-3);
  if (shape.length < 3 || shape.length > 4 || picture.some((n) => !Number.isInteger(n) || n < 1))
    throw new ShapeError(`${name}: expected a picture's shape, [H, W, C] or [N, H, W, C], got [${shape.join(", ")}]`);
  return picture as unknown as [number, number, number];
}
