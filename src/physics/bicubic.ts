import { ShapeError } from "../errors.ts";
import type { LinearOperator } from "../linalg/operator.ts";
import type { Matrix } from "../linalg/svd.ts";
import type { Shape } from "../tensor/shape.ts";
import { imresizeAxis, srconv } from "./axis.ts";
import { pictureOf } from "./picture_shape.ts";
import { separable } from "./separable.ts";

function smaller(
  name: string,
  shape: Shape,
  factor: number,
  axis: (n: number, r: number) => Matrix,
  least: number,
): LinearOperator {
  const domain = pictureOf(name, shape);
  const [H, W] = domain;
  if (!Number.isInteger(factor) || factor < 1)
    throw new RangeError(`${name}: the factor must be a whole number from 1 up, got ${factor}`);
  if (factor > Math.min(H, W))
    throw new ShapeError(`${name}: nothing is left of [${domain.join(", ")}] at 1/${factor}`);
  return separable(name, domain, [axis(H, factor), axis(W, factor)], { least });
}

/**
 * A smaller picture by MATLAB's imresize, bicubic and antialiased: [ceil(H/factor), ceil(W/factor), C], borders mirrored.
 * DPS, DAPS, DDiff and CoSIGN call it down_sampling. Prox, pinv and norm from an SVD of each axis.
 */
export const imresize = (shape: Shape, factor: number): LinearOperator =>
  smaller("imresize", shape, factor, imresizeAxis, 0);

/**
 * A smaller picture by DDRM's bicubic convolution (SRConv), as CM4IR, DDNM and CDDB have it too: 4 factor taps, every
 * factor-th kept, borders mirrored. Singular values of an axis below `least` are taken out of A, as their code does.
 */
export const bicubicConvolution = (shape: Shape, factor: number, { least = 3e-2 } = {}): LinearOperator =>
  smaller("bicubicConvolution", shape, factor, srconv, least);
