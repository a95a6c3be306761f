import type { Rng } from "../../kernels/random.ts";
import type { LinearOperator } from "../linalg/operator.ts";
import { blur } from "../physics/blur.ts";
import { superResolution } from "../physics/downsample.ts";
import { dustMask, inpaint } from "../physics/mask.ts";
import { addNoise } from "../physics/noise.ts";
import { anisotropicPsf, gaussianPsf } from "../physics/psf.ts";
import { scope, type Tree } from "../tensor/scope.ts";
import type { Shape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** A linear operator for pictures [H, W, C], drawn at random: what a model is trained on. It makes tensors, `A.holds`. */
export type DrawOperator = (shape: Shape, random: Rng) => LinearOperator;

type Interval = readonly [low: number, high: number];
const within = ([low, high]: Interval, random: Rng) => low + (high - low) * random.number();
const pick = <T>(list: readonly T[], random: Rng): T => list[random.integer(0, list.length - 1)] as T;

/** One of these, all as likely. */
export const oneOf =
  (...draws: readonly DrawOperator[]): DrawOperator =>
  (shape, random) =>
    pick(draws, random)(shape, random);

/** Circular Gaussian blur, its deviation in pixels. */
export const gaussianBlur =
  ({ sigma = [0.5, 3] as Interval } = {}): DrawOperator =>
  (shape, random) =>
    blur(shape, { gaussian: within(sigma, random) });

/** Circular Gaussian blur with two deviations, in pixels, in a random direction. */
export const anisotropicBlur =
  ({ along = [1, 4] as Interval, across = [0.5, 1.5] as Interval } = {}): DrawOperator =>
  (shape, random) =>
    blur(shape, {
      anisotropic: {
        along: within(along, random),
        across: within(across, random),
        angle: Math.PI * random.number(),
      },
    });

/** Means of blocks; of the factors, those that divide the sides. */
export const blockMeans =
  ({ factors = [4, 8, 16] as readonly number[] } = {}): DrawOperator =>
  (shape, random) => {
    const [H, W] = shape.slice(-3) as [number, number, number];
    const fit = factors.filter((f) => H % f === 0 && W % f === 0 && f < Math.min(H, W));
    if (!fit.length)
      throw new RangeError(
        `blockMeans: none of the factors ${factors.join(", ")} divides ${H} x ${W}; crop the pictures`,
      );
    return superResolution(shape, pick(fit, random));
  };

/** Masks under dust, with one of these parts missing. */
export const dust =
  ({ missing = [0.2, 0.4, 0.6] as readonly number[], grain = 3 } = {}): DrawOperator =>
  (shape, random) =>
    inpaint(dustMask(shape, random, { missing: pick(missing, random), grain }));

/**
 * Diff-Unfolding's pictures [Wang 2025, appendix B]: super-resolution x 4, 8 or 16; dust that hides .2, .4 or .6; Gaussian
 * blur, isotropic and not, "as SNIPS and DDRM" have it: 5 x 5 taps of deviation 10, and 9 x 9 of 20 by 1. Ours is circular.
 */
export const publishedDegradations: DrawOperator = oneOf(
  blockMeans(),
  (shape) => blur(shape, { psf: gaussianPsf(10, { size: 5 }) }),
  (shape) => blur(shape, { psf: anisotropicPsf({ along: 20, across: 1 }, { size: 9 }) }),
  dust(),
);

/** Pictures, what was measured of them, and how. A tree: `dispose` frees the operator's tensors too. */
export type Degraded = {
  readonly x: Tensor;
  readonly y: Tensor;
  readonly A: LinearOperator & Tree;
};

export interface DegradedOptions {
  /** A batch [N, H, W, C] in [-1, 1], or complex pictures. */
  pictures(random: Rng): Promise<Tensor>;
  /** One operator for the batch. */
  operator: DrawOperator;
  /** From A x to y; by default `unitNoise()`. */
  noise?: ((Ax: Tensor, random: Rng) => Tensor) | undefined;
}

/** Gaussian noise whose level is drawn from an interval, of pictures in [0, 1] (Diff-Unfolding: 0 to .1). */
export const unitNoise =
  (levels: Interval = [0, 0.1]) =>
  (Ax: Tensor, random: Rng): Tensor =>
    addNoise(Ax, within(levels, random), random, { range: "unit" });

/** Draws pictures, an operator and a measurement. */
export async function degraded(
  { pictures, operator, noise = unitNoise() }: DegradedOptions,
  random: Rng,
): Promise<Degraded> {
  const x = await pictures(random);
  try {
    return scope(() => {
      const A = operator(x.shape.slice(1), random) as Degraded["A"];
      return { x, y: noise(A.apply(x), random), A };
    });
  } catch (error) {
    x.dispose();
    throw error;
  }
}
