/** The tasks that people name: from a picture and a few words to a Problem, and from its solution back to a picture. */
import { lincomb } from "../kernels/lincomb.ts";
import { rng } from "../kernels/random.ts";
import { enlarge } from "./io/enlarge.ts";
import { estimateNoise } from "./io/noise_estimate.ts";
import { crop, type Picture, padReflect, toGrey, toRgb } from "./io/picture.ts";
import type { LinearOperator } from "./linalg/operator.ts";
import { blur } from "./physics/blur.ts";
import { superResolution } from "./physics/downsample.ts";
import { identity } from "./physics/identity.ts";
import { boxMask, inpaint } from "./physics/mask.ts";
import { addNoise } from "./physics/noise.ts";
import { denoise } from "./solvers/denoise.ts";
import { diffpir } from "./solvers/diffpir.ts";
import type { Solver } from "./solvers/solver.ts";
import { scope } from "./tensor/scope.ts";
import { type Tensor, tensor } from "./tensor/tensor.ts";

export const TASKS = ["deblur", "sr", "inpaint", "denoise"] as const;
export type Task = (typeof TASKS)[number];

export interface TaskOptions {
  /** Gaussian blur, standard deviation in pixels. */
  blur?: number;
  /** A point spread function in place of it: rows of weights, normalised here. */
  psf?: readonly (readonly number[])[];
  /** Factor of super-resolution. */
  scale?: number;
  /** [H, W], 1 where known. */
  mask?: { width: number; height: number; data: ArrayLike<number> };
}

/** A measurement of a picture, ready for a solver; pixels in [-1, 1], noise in those units. */
export interface Prepared {
  readonly A: LinearOperator;
  readonly y: Tensor;
  readonly sigmaNoise: number;
  /** Whether sigmaNoise was estimated from the picture. */
  readonly estimated: boolean;
  /** What there was to restore, when the measurement was simulated: cropped to what the task can measure. */
  readonly truth?: Picture;
  /** The measurement as a viewer would show it: enlarged, unknown pixels mid-grey. */
  readonly shown: Picture;
  /** The solution [1, H, W, 3] as a picture of the size, channels, alpha and depth of the input. */
  finish(x: Tensor): Promise<Picture>;
}

export const SOLVERS = ["diffpir", "denoise"] as const;
export type SolverName = (typeof SOLVERS)[number];
export const defaultSolver = (task: Task): SolverName => (task === "denoise" ? "denoise" : "diffpir");

export interface SolverOptions {
  steps?: number | undefined;
  lambda?: number | undefined;
  zeta?: number | undefined;
}

/** A solver for measurements with this noise (signed units). */
export function solverFor(
  name: SolverName,
  sigmaNoise: number,
  { steps = 20, lambda, zeta }: SolverOptions = {},
): Solver {
  if (name === "denoise") return denoise();
  // below a third of the noise there is nothing left to find, and far above 10 nothing to see
  return diffpir({
    steps,
    sigmaStart: 10,
    sigmaEnd: sigmaNoise / 3,
    ...(lambda === undefined ? {} : { lambda }),
    ...(zeta === undefined ? {} : { zeta }),
  });
}

export const defaultNoise = (task: Task): number => (task === "denoise" ? 0.1 : 0.05);

const asTensor = (p: Picture): Tensor => tensor([1, p.height, p.width, 3], toRgb(p).data);

async function asPicture(t: Tensor, like: Picture): Promise<Picture> {
  const [, height, width] = t.shape as [number, number, number];
  const rgb: Picture = { width, height, channels: 3, data: await t.read(), bits: like.bits };
  const { alpha, name } = like;
  const fits = alpha?.length === width * height;
  return {
    ...(like.channels === 1 ? mean3(rgb) : rgb),
    ...(fits ? { alpha } : {}),
    ...(name === undefined ? {} : { name }),
  };
}

/** Grey went in three times over, so it comes out as the mean, not as luma. */
function mean3(p: Picture): Picture {
  const data = Float32Array.from(
    { length: p.width * p.height },
    (_, i) => ((p.data[3 * i] as number) + (p.data[3 * i + 1] as number) + (p.data[3 * i + 2] as number)) / 3,
  );
  return { ...p, channels: 1, data };
}

/** The operator of a task on pictures of this shape [H, W, 3]. */
export function operatorOf(
  task: Task,
  shape: readonly [number, number, number],
  { blur: sigma = 3, psf, scale = 4, mask }: TaskOptions,
): LinearOperator {
  switch (task) {
    case "denoise":
      return identity(shape);
    case "deblur":
      return blur(shape, psf ? { psf } : { gaussian: sigma });
    case "sr":
      return superResolution(shape, scale);
    case "inpaint": {
      const [H, W] = shape;
      if (!mask) return inpaint(boxMask(shape));
      if (mask.width !== W || mask.height !== H)
        throw new RangeError(`mask: the picture is ${W}x${H}, the mask ${mask.width}x${mask.height}; they must agree`);
      return inpaint(
        tensor(
          [H, W, 1],
          Float32Array.from({ length: H * W }, (_, i) => mask.data[i] as number),
        ),
        shape,
      );
    }
  }
}

/** Degrades a picture, so that the truth is known. `noise` in [0, 1] units. */
export async function simulate(
  truth: Picture,
  task: Task,
  { noise = defaultNoise(task), seed = 0, ...options }: TaskOptions & { noise?: number; seed?: number } = {},
): Promise<Prepared> {
  const s = task === "sr" ? (options.scale ?? 4) : 1;
  const cut =
    s === 1
      ? truth
      : crop(truth, { x: 0, y: 0, width: truth.width - (truth.width % s), height: truth.height - (truth.height % s) });
  if (!cut.width || !cut.height)
    throw new RangeError(`sr: a picture of ${truth.width}x${truth.height} is smaller than one block of ${s}x${s}`);
  const sigmaNoise = 2 * noise;
  const made = scope(() => {
    const A = operatorOf(task, [cut.height, cut.width, 3], options);
    const clean = A.apply(asTensor(cut));
    let y = addNoise(clean, sigmaNoise, rng(seed).fork(0x6e));
    // what is not observed has no noise either
    if (task === "inpaint") y = A.apply(y);
    return { A, y };
  });
  return {
    ...made,
    sigmaNoise,
    estimated: false,
    truth: cut,
    shown: await show(made.y, task, options, cut),
    finish: (x) => asPicture(x, cut),
  };
}

/** Takes a picture as the measurement itself. `noise` in [0, 1] units; estimated when left out. */
export async function measured(
  picture: Picture,
  task: Task,
  { noise, ...options }: TaskOptions & { noise?: number } = {},
): Promise<Prepared> {
  if (task === "inpaint" && !options.mask)
    throw new TypeError("inpaint: which pixels are known? give a mask (white = known)");
  const sigmaNoise = 2 * (noise ?? estimateNoise(toGrey(picture)).sigma / 2);
  // a photo does not wrap around: it is extended by reflection by more than the blur reaches, and cropped after
  const reach = task === "deblur" ? Math.min(2 * reachOf(options), picture.width - 1, picture.height - 1) : 0;
  const grown = reach ? padReflect(picture, { left: reach, right: reach, top: reach, bottom: reach }) : picture;
  const s = task === "sr" ? (options.scale ?? 4) : 1;
  const made = scope(() => {
    const A = operatorOf(task, [grown.height * s, grown.width * s, 3], options);
    const y = asTensor(grown);
    return { A, y: task === "inpaint" ? A.apply(y) : y };
  });
  return {
    ...made,
    sigmaNoise,
    estimated: noise === undefined,
    shown: await show(made.y, task, options, grown).then((p) =>
      reach ? crop(p, { x: reach, y: reach, width: picture.width, height: picture.height }) : p,
    ),
    finish: async (x) => {
      const whole = await asPicture(x, { ...picture, bits: picture.bits });
      if (!reach) return whole;
      const { alpha } = picture;
      return {
        ...crop(whole, { x: reach, y: reach, width: picture.width, height: picture.height }),
        ...(alpha ? { alpha } : {}),
      };
    },
  };
}

const reachOf = ({ blur: sigma = 3, psf }: TaskOptions): number =>
  psf ? Math.ceil(Math.max(psf.length, psf[0]?.length ?? 0) / 2) : Math.ceil(4 * sigma);

async function show(y: Tensor, task: Task, { scale = 4 }: TaskOptions, like: Picture): Promise<Picture> {
  const p = await asPicture(y, like);
  return task === "sr" ? enlarge(p, scale) : p;
}

/** Root mean square of y - A x over what was measured, in [0, 1] units: about the noise when the fit is right. */
export async function residual(
  { A, y }: Pick<Prepared, "A" | "y">,
  x: Tensor,
  measuredPixels = y.size,
): Promise<number> {
  const r = scope(() => lincomb(1, y, -1, A.apply(x)));
  const values = await r.read();
  r.dispose();
  let sum = 0;
  for (const v of values) sum += v * v;
  return Math.sqrt(sum / measuredPixels) / 2;
}
