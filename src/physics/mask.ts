import { mul } from "../../kernels/broadcast.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { proxMask } from "../../kernels/prox_mask.ts";
import type { Rng } from "../../kernels/random.ts";
import { reshape } from "../../kernels/reshape.ts";
import { ShapeError } from "../errors.ts";
import type { Picture } from "../io/picture.ts";
import { type LinearOperator, linear } from "../linalg/operator.ts";
import { oneSingularValue } from "../linalg/spectral.ts";
import { scope } from "../tensor/scope.ts";
import type { Shape } from "../tensor/shape.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import { pictureOf } from "./picture_shape.ts";

/**
 * Keeps the pixels where the mask is 1 and blanks those where it is 0, to mid-grey: y = m x.
 * The mask is [H, W, C], or [H, W, 1] and shared by the channels of `shape`; the operator keeps it alive.
 */
export function inpaint(mask: Tensor, shape: Shape = mask.shape): LinearOperator {
  const domain = pictureOf("inpaint", shape);
  const [H, W, C] = domain;
  const channels = mask.size / (H * W);
  if (mask.dtype !== "f32" || mask.shape.at(-3) !== H || mask.shape.at(-2) !== W || ![1, C].includes(channels))
    throw new ShapeError(
      `inpaint: a picture [${domain.join(", ")}] takes a mask f32 [${H}, ${W}, 1 or ${C}], got ${mask.dtype} [${mask.shape.join(", ")}]`,
    );
  const m = reshape(mask, [1, H, W, channels]);
  const keep = (x: Tensor) => mul(m, x);
  return linear({
    name: "inpaint",
    domain,
    range: domain,
    holds: m,
    norm: 1,
    apply: keep,
    adjoint: keep,
    prox: (v, y, rho) => proxMask({ mask: m, y, v, rho }),
    pinv: (y, eta) => scope(() => proxMask({ mask: m, y, v: lincomb(0, y), rho: eta })),
    spectral: oneSingularValue(1, keep, keep),
  });
}

export interface BoxOptions {
  /** Of the hole; by default a quarter of the picture's sides. */
  height?: number;
  width?: number;
  /** Where it begins; by default it is centred. */
  top?: number;
  left?: number;
  /** Puts it anywhere instead, at least `margin` pixels from the border. */
  rng?: Rng;
  margin?: number;
}

/** A mask [H, W, C] of ones with a rectangle of zeros. */
export function boxMask(shape: Shape, options: BoxOptions = {}): Tensor {
  const [H, W] = pictureOf("boxMask", shape);
  const { height = Math.round(H / 4), width = Math.round(W / 4), rng, margin = 16 } = options;
  const place = (extent: number, size: number) =>
    rng ? rng.integer(margin, extent - size - margin) : (extent - size) >> 1;
  const { top = place(H, height), left = place(W, width) } = options;
  if (
    ![height, width, top, left].every(Number.isInteger) ||
    top < 0 ||
    left < 0 ||
    top + height > H ||
    left + width > W
  )
    throw new RangeError(`boxMask: a box of ${height}x${width} at (${top}, ${left}) does not lie in ${H}x${W}`);
  return maskOf(shape, (i, j) => i >= top && i < top + height && j >= left && j < left + width);
}

/** A mask [H, W, C] that misses the given part of the pixels, exactly, at random places; all channels alike. */
export function randomMask(shape: Shape, rng: Rng, { missing = 0.5 } = {}): Tensor {
  const [H, W] = pictureOf("randomMask", shape);
  if (!(missing >= 0 && missing <= 1))
    throw new RangeError(`randomMask: missing must be between 0 and 1, got ${missing}`);
  const order = Uint32Array.from({ length: H * W }, (_, i) => i);
  const count = Math.floor(missing * H * W);
  const holes = new Uint8Array(H * W);
  for (let i = 0; i < count; i++) {
    const k = rng.integer(i, H * W - 1);
    const [a, b] = [order[i] as number, order[k] as number];
    order[i] = b;
    order[k] = a;
    holes[b] = 1;
  }
  return maskOf(shape, (i, j) => holes[i * W + j] === 1);
}

/** A mask [H, W, C] that misses each pixel with the given probability, by itself; all channels alike. */
export function bernoulliMask(shape: Shape, rng: Rng, { missing = 0.7 } = {}): Tensor {
  pictureOf("bernoulliMask", shape);
  if (!(missing >= 0 && missing <= 1))
    throw new RangeError(`bernoulliMask: missing must be between 0 and 1, got ${missing}`);
  return maskOf(shape, () => rng.number() < missing);
}

/**
 * A mask [H, W, C] under specks of dust: discs of random diameter up to `grain` pixels at random places, until the given part
 * of the pixels is missing, to one pixel. With grain 1 it is `randomMask`'s, which is how Diff-Unfolding's dust is read here:
 * its paper defines none.
 */
export function dustMask(shape: Shape, rng: Rng, { missing = 0.4, grain = 3 } = {}): Tensor {
  const [H, W] = pictureOf("dustMask", shape);
  if (!(missing >= 0 && missing <= 1))
    throw new RangeError(`dustMask: missing must be between 0 and 1, got ${missing}`);
  if (!(grain >= 1 && Number.isFinite(grain)))
    throw new RangeError(`dustMask: a grain is 1 pixel or more, got ${grain}`);
  if (grain === 1) return randomMask(shape, rng, { missing });
  const holes = new Uint8Array(H * W);
  for (let left = Math.floor(missing * H * W); left > 0; ) {
    const radius = (1 + (grain - 1) * rng.number()) / 2;
    const [y, x] = [rng.number() * H, rng.number() * W];
    for (let i = Math.max(0, Math.floor(y - radius)); i < Math.min(H, y + radius); i++)
      for (let j = Math.max(0, Math.floor(x - radius)); j < Math.min(W, x + radius); j++) {
        if (left === 0 || holes[i * W + j] || Math.hypot(i + 0.5 - y, j + 0.5 - x) > radius) continue;
        holes[i * W + j] = 1;
        left--;
      }
  }
  return maskOf(shape, (i, j) => holes[i * W + j] === 1);
}

/** A mask [H, W, C] from a picture of its size, in [-1, 1]: white is known, black is missing, the middle grey divides them. */
export function pictureMask(picture: Picture, { channels = 1 } = {}): Tensor {
  const { width: W, height: H, channels: c, data } = picture;
  return maskOf([H, W, channels], (i, j) => {
    let sum = 0;
    for (let k = 0; k < c; k++) sum += data[(i * W + j) * c + k] as number;
    return sum < 0;
  });
}

function maskOf(shape: Shape, isHole: (i: number, j: number) => boolean): Tensor {
  const [H, W, C] = pictureOf("mask", shape);
  const data = new Float32Array(H * W * C).fill(1);
  for (let i = 0; i < H; i++)
    for (let j = 0; j < W; j++) if (isHole(i, j)) data.fill(0, (i * W + j) * C, (i * W + j + 1) * C);
  return tensor([H, W, C], data);
}
