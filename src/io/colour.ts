// Colours as vectors, and what changes them as 3x3 matrices. gl-matrix keeps columns together; numbers stay float64.
import { mat3, vec3 } from "gl-matrix";
import type { Picture } from "./picture.ts";

/** Rec. 601 weights of red, green and blue in Y. */
const LUMA = [0.299, 0.587, 0.114] as const;

/**
 * R'G'B' to Y'CbCr, Rec. 601 as JPEG has it, for numbers in [-1, 1]: grey v is (v, 0, 0), and no offset is needed.
 *   Y = 0.299 R + 0.587 G + 0.114 B        Cb = (B - Y)/1.772        Cr = (R - Y)/1.402        all in [-1, 1]
 */
export const YCC_FROM_RGB: Readonly<mat3> = columns((rgb) => {
  const Y = LUMA[0] * rgb[0] + LUMA[1] * rgb[1] + LUMA[2] * rgb[2];
  return [Y, (rgb[2] - Y) / (2 - 2 * LUMA[2]), (rgb[0] - Y) / (2 - 2 * LUMA[0])];
});
export const RGB_FROM_YCC: Readonly<mat3> = mat3.invert(new Float64Array(9) as unknown as mat3, YCC_FROM_RGB) as mat3;

/** The matrix of a linear map of colours: its columns are the images of red, green and blue. */
function columns(map: (rgb: readonly [number, number, number]) => [number, number, number]): mat3 {
  return [...map([1, 0, 0]), ...map([0, 1, 0]), ...map([0, 0, 1])] as mat3;
}

/** Every pixel times a matrix; of three channels, alpha untouched. Nothing is clamped. */
export function recoloured(p: Picture, matrix: Readonly<mat3>): Picture {
  if (p.channels !== 3) throw new RangeError(`recoloured: expected a picture of 3 channels, got ${p.channels}`);
  const data = new Float32Array(p.data.length);
  const pixel = new Float64Array(3) as unknown as vec3;
  for (let i = 0; i < data.length; i += 3) {
    vec3.set(pixel, p.data[i] as number, p.data[i + 1] as number, p.data[i + 2] as number);
    data.set(vec3.transformMat3(pixel, pixel, matrix), i);
  }
  return { ...p, data };
}

/** Y of every pixel: what "grey" means in PNG tools and in the papers' Y channel. */
export function luma({ data }: Pick<Picture, "data">): Float32Array {
  const [r, , , g, , , b] = YCC_FROM_RGB as readonly number[] as readonly [number, 0, 0, number, 0, 0, number];
  return Float32Array.from(
    { length: data.length / 3 },
    (_, i) => r * (data[3 * i] as number) + g * (data[3 * i + 1] as number) + b * (data[3 * i + 2] as number),
  );
}
