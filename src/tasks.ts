/** The tasks that people name: from a picture and a few words to a Problem, and from its solution back to a picture. */
import { broadcastTo } from "../kernels/broadcast.ts";
import { lincomb } from "../kernels/lincomb.ts";
import { rng } from "../kernels/random.ts";
import { enlarge } from "./io/enlarge.ts";
import { estimateNoise } from "./io/noise_estimate.ts";
import { crop, type Picture, padReflect, toRgb } from "./io/picture.ts";
import type { LinearOperator } from "./linalg/operator.ts";
import { METHOD_NAMES, METHODS } from "./methods.ts";
import { PUBLISHED } from "./methods_published.ts";
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

/** Rows of numbers, 1 where the pixel is known and 0 where not. */
export interface Mask {
  width: number;
  height: number;
  data: ArrayLike<number>;
}

export interface TaskOptions {
  /** Gaussian blur, standard deviation in pixels. */
  blur?: number;
  /** A point spread function in place of it: rows of weights, normalised here. */
  psf?: readonly (readonly number[])[];
  /** Factor of super-resolution. */
  scale?: number;
  /** Of the picture's size; without one a simulation hides a box of a quarter of the sides. */
  mask?: Mask;
}

/** A measurement of a picture, ready for a solver; pixels in [-1, 1], sigmaNoise in those units. */
export interface Prepared {
  readonly A: LinearOperator;
  readonly y: Tensor;
  /**
   * What the solver is to believe. Twice `noise`, but for grey pictures sqrt(3) times that: their one noisy number
   * stands in three channels, which the solver takes for three measurements (1.3 to 1.9 dB on camera.png).
   */
  readonly sigmaNoise: number;
  /** Standard deviation of the measurement's noise in [0, 1] units. */
  readonly noise: number;
  /** Whether sigmaNoise was estimated from the picture. */
  readonly estimated: boolean;
  /** What there was to restore, when the measurement was simulated: cropped to what the task can measure. */
  readonly truth?: Picture;
  /** y as a picture: its own size, not clipped, unknown pixels mid-grey. */
  readonly measurement: Picture;
  /** The measurement as a viewer would show it: enlarged where the solution is larger. */
  readonly shown: Picture;
  /** How many of y's numbers were measured. */
  readonly known: number;
  /** The solution [1, H, W, 3] as a picture of the size, channels, alpha and depth of the input. */
  finish(x: Tensor): Promise<Picture>;
}

export const SOLVERS = ["diffpir", "denoise", ...METHOD_NAMES] as const;
export type SolverName = (typeof SOLVERS)[number];
export const defaultSolver = (task: Task): SolverName => (task === "denoise" ? "denoise" : "diffpir");

export interface SolverOptions {
  steps?: number | undefined;
  lambda?: number | undefined;
  zeta?: number | undefined;
  samples?: number | undefined;
  /** As its paper sets it, for this task of `proxel eval`; the other options are not looked at. */
  published?: string | undefined;
}

/**
 * DiffPIR's trust in the denoiser, its first level, and the last one as a part of the noise. Super-resolution begins low:
 * from 10 a small prior invents what the few measured numbers then cannot correct (0.1 to 0.6 dB on photographs).
 */
const tuned = (task: Task, sigmaNoise: number) =>
  task === "sr"
    ? { lambda: 0.5, sigmaStart: Math.max(0.7, 4 * sigmaNoise), sigmaEnd: sigmaNoise / 5 }
    : { lambda: 1, sigmaStart: 10, sigmaEnd: sigmaNoise / 3 };

/** A solver for measurements of this task with this noise (signed units). */
export function solverFor(
  name: SolverName,
  task: Task,
  sigmaNoise: number,
  { steps, lambda, zeta, samples, published }: SolverOptions = {},
): Solver {
  if (name === "denoise") return denoise();
  if (published !== undefined) return PUBLISHED[name](published, sigmaNoise);
  if (name !== "diffpir") return METHODS[name](sigmaNoise, { steps, zeta, samples });
  return diffpir({
    steps: steps ?? 20,
    ...tuned(task, sigmaNoise),
    ...(lambda === undefined ? {} : { lambda }),
    ...(zeta === undefined ? {} : { zeta }),
  });
}

const believed = (noise: number, { channels }: Picture): number => 2 * noise * (channels === 1 ? Math.sqrt(3) : 1);

export const defaultNoise = (task: Task): number => (task === "denoise" ? 0.1 : 0.05);

const asTensor = (p: Picture): Tensor => tensor([1, p.height, p.width, 3], toRgb(p).data);

/** A tensor [1, H, W, 3] with the channels, the depth and (where it fits) the alpha of another picture. */
export async function asPicture(t: Tensor, like: Picture): Promise<Picture> {
  const [, height, width] = t.shape as [number, number, number];
  const rgb: Picture = { width, height, channels: 3, data: await t.read(), bits: like.bits };
  const { alpha, name } = like;
  return {
    ...(like.channels === 1 ? mean3(rgb) : rgb),
    ...(alpha?.length === width * height ? { alpha } : {}),
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
      return blur(shape, psf ? { psf: normalised(psf) } : { gaussian: sigma });
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

/** A point spread function with the sum 1: it neither brightens nor darkens. Single weights may be negative. */
function normalised(psf: readonly (readonly number[])[]): number[][] {
  const sum = psf.flat().reduce((a, b) => a + b, 0);
  if (!(Math.abs(sum) > 1e-9) || !Number.isFinite(sum))
    throw new RangeError(`psf: expected weights whose sum is not 0, got ${sum}; is the kernel black?`);
  return psf.map((row) => row.map((v) => v / sum));
}

/** What a simulation can measure of a picture: for sr, whole blocks. */
export function measurable(picture: Picture, task: Task, { scale = 4 }: TaskOptions): Picture {
  const s = task === "sr" ? scale : 1;
  const { width: w, height: h } = picture;
  if (w < s || h < s) throw new RangeError(`sr: a picture of ${w}x${h} is smaller than one block of ${s}x${s}`);
  return w % s || h % s ? crop(picture, { x: 0, y: 0, width: w - (w % s), height: h - (h % s) }) : picture;
}

/** Degrades a picture, so that the truth is known. `noise` in [0, 1] units. */
export async function simulate(
  truth: Picture,
  task: Task,
  { noise = defaultNoise(task), seed = 0, ...options }: TaskOptions & { noise?: number; seed?: number } = {},
): Promise<Prepared> {
  const cut = measurable(truth, task, options);
  const made = scope(() => {
    const A = operatorOf(task, [cut.height, cut.width, 3], options);
    const clean = A.apply(asTensor(cut));
    const [, h, w] = clean.shape as [number, number, number];
    const random = rng(seed).fork(0x6e);
    // a grey picture has one noise, not three that its mean would soften
    const noisy =
      cut.channels === 1
        ? lincomb(1, clean, 2 * noise, broadcastTo(random.normal([1, h, w, 1]), clean.shape))
        : addNoise(clean, 2 * noise, random);
    // what is not observed has no noise either
    return { A, y: task === "inpaint" ? A.apply(noisy) : noisy };
  });
  const measurement = await asPicture(made.y, cut);
  return {
    ...made,
    sigmaNoise: believed(noise, cut),
    noise,
    estimated: false,
    truth: cut,
    measurement,
    shown: shown(measurement, task, options),
    known: task === "inpaint" ? 3 * observed(options, cut) : made.y.size,
    finish: (x) => asPicture(x, cut),
  };
}

/** Pixels that the mask, or the box in its place, leaves known. */
function observed({ mask }: TaskOptions, { width, height }: Picture): number {
  if (!mask) return width * height - Math.round(width / 4) * Math.round(height / 4);
  let count = 0;
  for (let i = 0; i < width * height; i++) if (mask.data[i]) count++;
  return Math.max(1, count);
}

/** The noise of a measurement, in [0, 1] units. At least what rounding to 8 bits leaves. */
export function estimatedNoise(picture: Picture, { mask }: TaskOptions): number {
  // the estimator leaves out what is clipped, and so what is unknown when that is made white
  const { channels: C } = picture;
  const fits = mask && mask.width === picture.width && mask.height === picture.height;
  const data = fits ? picture.data.map((v, i) => (mask.data[Math.floor(i / C)] ? v : 1)) : picture.data;
  const { sigma } = estimateNoise({ ...picture, data });
  if (fits && sigma === 0)
    throw new RangeError("noise: it cannot be estimated from so few pixels side by side; give --noise X");
  return Math.max(sigma / 2, 1 / 255 / Math.sqrt(12));
}

/** Takes a picture as the measurement itself. `noise` in [0, 1] units; estimated when left out. */
export async function measured(
  picture: Picture,
  task: Task,
  { noise, ...options }: TaskOptions & { noise?: number } = {},
): Promise<Prepared> {
  if (task === "inpaint" && !options.mask)
    throw new TypeError("inpaint: which pixels are known? give a mask (white = known)");
  const level = noise ?? estimatedNoise(picture, options);
  // a photo does not wrap around: it is extended by reflection by more than the blur reaches, and cropped after
  const reach = task === "deblur" ? Math.min(2 * reachOf(options), picture.width - 1, picture.height - 1) : 0;
  const grown = reach ? padReflect(picture, { left: reach, right: reach, top: reach, bottom: reach }) : picture;
  const s = task === "sr" ? (options.scale ?? 4) : 1;
  const made = scope(() => {
    const A = operatorOf(task, [grown.height * s, grown.width * s, 3], options);
    const y = asTensor(grown);
    return { A, y: task === "inpaint" ? A.apply(y) : y };
  });
  const measurement = task === "inpaint" ? await asPicture(made.y, picture) : picture;
  const { alpha } = picture;
  return {
    ...made,
    sigmaNoise: believed(level, picture),
    noise: level,
    estimated: noise === undefined,
    measurement,
    shown: shown(measurement, task, options),
    known: task === "inpaint" ? 3 * observed(options, picture) : made.y.size,
    finish: async (x) => {
      const whole = await asPicture(x, picture);
      const { width, height } = picture;
      const result = reach ? crop(whole, { x: reach, y: reach, width, height }) : whole;
      return alpha ? { ...result, alpha: enlargeAlpha(alpha, picture, s) } : result;
    },
  };
}

/** Alpha of a measurement for its solution: enlarged like the measurement itself, held in [0, 1]. */
export function enlargeAlpha(data: Float32Array, { width, height }: Picture, s: number): Float32Array {
  if (s === 1) return data;
  return enlarge({ width, height, channels: 1, bits: 8, data }, s).data.map((v) => Math.max(0, Math.min(1, v)));
}

/** How far a blur carries light, in pixels. */
export const reachOf = ({ blur: sigma = 3, psf }: TaskOptions): number =>
  psf ? Math.ceil(Math.max(psf.length, psf[0]?.length ?? 0) / 2) : Math.ceil(4 * sigma);

/** A measurement as a viewer would show it. */
export const shown = (measurement: Picture, task: Task, { scale = 4 }: TaskOptions): Picture =>
  task === "sr" ? enlarge(measurement, scale) : measurement;

/** Root mean square of y - A x over what was measured, in [0, 1] units: about the noise when the fit is right. */
export async function residual({ A, y, known }: Pick<Prepared, "A" | "y" | "known">, x: Tensor): Promise<number> {
  const r = scope(() => lincomb(1, y, -1, A.apply(x)));
  const values = await r.read();
  r.dispose();
  let sum = 0;
  for (const v of values) sum += v * v;
  return Math.sqrt(sum / known) / 2;
}
