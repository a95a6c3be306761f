import { decimate, zeroInsert } from "../../kernels/decimate.ts";
import type { Rng } from "../../kernels/random.ts";
import { compose, type LinearOperator, linear } from "../linalg/operator.ts";
import { blur } from "../physics/blur.ts";
import { superResolution } from "../physics/downsample.ts";
import { identity } from "../physics/identity.ts";
import { bernoulliMask, boxMask, inpaint } from "../physics/mask.ts";
import { publishedPsf } from "../physics/psf_published.ts";
import type { Shape } from "../tensor/shape.ts";

export const MUPET_DEGRADATIONS = ["denoise", "pixels", "block", "blur", "smaller"] as const;
export type MupetDegradation = (typeof MUPET_DEGRADATIONS)[number];

export interface DegradationOptions {
  /** Drawn from with equal chance. */
  among?: readonly MupetDegradation[];
  /** Largest sides of the block. */
  block?: number;
  /** Largest standard deviation of the blur. */
  sigma?: number;
  /** Largest factor of the smaller picture. */
  factor?: number;
  /**
   * Of the blur. What the authors' version of deepinv took is not recorded; "valid", which later ones take, leaves nothing of
   * a picture of 32 pixels from sigma 4.5 on, so pictures are circular here.
   */
  boundary?: "circular" | "valid";
}

/**
 * One of MUPET's degradations of pictures [H, W, C], each as likely [section IV A]:
 *   denoise    nothing
 *   pixels     each pixel missing with a probability drawn from U(0, 1)
 *   block      a box of sides drawn from 0 .. 32, anywhere
 *   blur       Gaussian, sigma ~ U(0, 8), its taps cut at int(sigma/.3 + 1)
 *   smaller    by a factor of 1 .. 8: circular bicubic blur of 4 taps a pixel, then the first pixel of each block
 * The operator owns its tensors (`holds`).
 */
export function mupetDegradation(
  shape: Shape,
  random: Rng,
  { among = MUPET_DEGRADATIONS, block = 32, sigma = 8, factor = 8, boundary = "circular" }: DegradationOptions = {},
): LinearOperator {
  const [H, W] = shape as readonly [number, number, number];
  const kind = among[random.integer(0, among.length - 1)];
  switch (kind) {
    case "denoise":
      return identity(shape);
    case "pixels":
      return inpaint(bernoulliMask(shape, random, { missing: random.number() }), shape);
    case "block": {
      const [height, width] = [random.integer(0, Math.min(block, H)), random.integer(0, Math.min(block, W))];
      const [top, left] = [random.integer(0, H - height), random.integer(0, W - width)];
      return inpaint(boxMask(shape, { height, width, top, left }), shape);
    }
    case "blur":
      return blur(shape, { psf: publishedPsf.mupet(sigma * random.number()), boundary });
    case "smaller":
      return bicubicSmaller(shape, random.integer(1, factor));
    default:
      throw new TypeError(`mupet: degradations of ${MUPET_DEGRADATIONS.join(", ")} expected, got ${kind}`);
  }
}

/** Bicubic blur and every factor-th pixel; of sides that the factor does not divide, the last block is cut short. */
export function bicubicSmaller(shape: Shape, factor: number): LinearOperator {
  const [H, W, C] = shape as readonly [number, number, number];
  const psf = publishedPsf.bicubic(factor);
  if (H % factor === 0 && W % factor === 0) return superResolution(shape, factor, { psf });
  const every = linear({
    name: "every",
    domain: shape,
    range: [Math.ceil(H / factor), Math.ceil(W / factor), C],
    norm: 1,
    tight: 1,
    apply: (x) => decimate(x, factor),
    adjoint: (y) => zeroInsert(y, factor, [H, W]),
  });
  return compose(every, blur(shape, { psf }));
}
