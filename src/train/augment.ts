import type { Rng } from "../../kernels/random.ts";
import { type Affine, warp } from "../../kernels/warp.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** How likely each kind is, as a multiple of `p`, at most 1. */
export interface AugmentOptions {
  p?: number;
  /** Left and right, top and bottom exchanged; each is drawn by a coin besides. */
  xflip?: number;
  yflip?: number;
  /** By 2^(.2 w), w normal. */
  scale?: number;
  /** By any angle. */
  rotate?: number;
  /** Longer one way by 2^(.2 w), shorter the other, half of the times in a turned frame. */
  aniso?: number;
  /** By an eighth of the sides times normal numbers. */
  translate?: number;
}

/** EDM's for small pictures [Karras 2022, appendix F.2], p = .12 for CIFAR and .15 for FFHQ and AFHQ. */
export const edmAugment = { p: 0.12, xflip: 1e8, yflip: 1, scale: 1, rotate: 1, aniso: 1, translate: 1 } as const;

/** Length of the label: flips, scale, cos and sin of the turn, the stretch and its direction, the shift. */
export const AUGMENT_LABELS = 9;

type Matrix = readonly [number, number, number, number, number, number];
/** A after B, of maps (x, y) to (a x + b y + c, d x + e y + f). */
const after = ([a, b, c, d, e, f]: Matrix, [g, h, i, j, k, l]: Matrix): Matrix =>
  [
    ...[a * g + b * j, a * h + b * k, a * i + b * l + c],
    ...[d * g + e * j, d * h + e * k, d * i + e * l + f],
  ] as unknown as Matrix;
const scaled = (x: number, y: number): Matrix => [x, 0, 0, 0, y, 0];
const turned = (angle: number): Matrix => [Math.cos(angle), -Math.sin(angle), 0, Math.sin(angle), Math.cos(angle), 0];
const moved = (x: number, y: number): Matrix => [1, 0, x, 0, 1, y];

/** What is to be done to one picture of so many pixels, as a map from the result into the picture, and its label. */
export function drawAugmentation(
  random: Rng,
  [H, W]: readonly [number, number],
  { p = 0, xflip = 0, yflip = 0, scale = 0, rotate = 0, aniso = 0, translate = 0 }: AugmentOptions = edmAugment,
): { map: Affine; label: number[] } {
  const maybe = (times: number, w: () => number): number => {
    const [drawn, chance] = [w(), random.number()];
    return chance < times * p ? drawn : 0;
  };
  const flips = [xflip, yflip].map((times) => maybe(times, () => random.integer(0, 1)));
  const zoom = maybe(scale, () => random.gaussian());
  const angle = maybe(rotate, () => Math.PI * (2 * random.number() - 1));
  const stretch = maybe(aniso, () => random.gaussian());
  const [drawn, chance] = [Math.PI * (2 * random.number() - 1), random.number()];
  const frame = chance < 0.5 ? drawn : 0;
  const [first, second] = [random.gaussian(), random.gaussian()];
  const shift = maybe(translate, () => 1);
  const [dx, dy] = [shift * first, shift * second];

  const by = (w: number) => 2 ** (0.2 * w);
  const parts: Matrix[] = [
    scaled(flips[0] ? -1 : 1, flips[1] ? -1 : 1),
    scaled(1 / by(zoom), 1 / by(zoom)),
    turned(angle),
    turned(-frame),
    scaled(1 / by(stretch), by(stretch)),
    turned(frame),
    moved((-dx * W) / 8, (-dy * H) / 8),
  ];
  return {
    map: parts.reduce(after),
    label: [
      ...[flips[0] as number, flips[1] as number, zoom, Math.cos(angle) - 1, Math.sin(angle)],
      ...[stretch * Math.cos(frame), stretch * Math.sin(frame), dx, dy],
    ],
  };
}

/**
 * Pictures [N, H, W, C] flipped, scaled, turned, stretched and shifted by chance, each for itself, mirrored beyond the edges,
 * and what was done to each: `augment` of a network's labels, so that it learns not to do so itself. The colours stay.
 * EDM resamples through wavelets at twice the size; here a cubic does, in one pass.
 */
export function augmented(
  x: Tensor,
  random: Rng,
  options: AugmentOptions = edmAugment,
): { x: Tensor; labels: readonly (readonly number[])[] } {
  const [N, H, W] = x.shape as [number, number, number];
  const drawn = Array.from({ length: N }, () => drawAugmentation(random, [H, W], options));
  return {
    x: warp(
      x,
      drawn.map(({ map }) => map),
    ),
    labels: drawn.map(({ label }) => label),
  };
}
