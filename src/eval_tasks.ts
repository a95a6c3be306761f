/** The tasks of `proxel eval`, as papers name them: from a picture to a measurement that does not depend on the solver. */

import { type Rng, rng } from "../kernels/random.ts";
import { sum } from "../kernels/reduce.ts";
import type { LoadedBlur } from "./eval_weights.ts";
import { enlarge } from "./io/enlarge.ts";
import { hash } from "./io/hash.ts";
import { crop, type Picture } from "./io/picture.ts";
import type { Operator } from "./linalg/operator.ts";
import { blur } from "./physics/blur.ts";
import { superResolution } from "./physics/downsample.ts";
import { hdr } from "./physics/hdr.ts";
import { identity } from "./physics/identity.ts";
import { jpeg } from "./physics/jpeg.ts";
import { boxMask, inpaint, randomMask } from "./physics/mask.ts";
import { motionPsf } from "./physics/motion.ts";
import { addNoise } from "./physics/noise.ts";
import { blurLatent, nonlinearBlur } from "./physics/nonlinear_blur.ts";
import { phaseRetrieval } from "./physics/phase.ts";
import type { Task } from "./tasks.ts";
import { scope } from "./tensor/scope.ts";
import { type Tensor, tensor } from "./tensor/tensor.ts";

export type Shape3 = readonly [H: number, W: number, C: number];

export interface EvalTask {
  readonly name: string;
  /** In words, for pictures with this smaller side. */
  about(side: number): string;
  /** The task of `restore` that it is nearest to, whose settings its solvers get. */
  readonly kind: Task;
  readonly linear: boolean;
  /** Sides must be a multiple of this. */
  readonly multiple: number;
  operator(shape: Shape3, random: Rng): Operator;
  /** Unknown pixels were not measured: y holds zeros there. */
  readonly masks?: true;
  /** The measurement leaves open whether the picture is turned by 180 degrees. */
  readonly turns?: true;
}

const clamp = (v: number, low: number, high: number) => Math.min(high, Math.max(low, v));
const side = ([H, W]: Shape3) => Math.min(H, W);
// kernels of 256 pixels' pictures keep their share of smaller ones, as far down as they still blur
const blurSigma = (n: number) => clamp((3 * n) / 256, 1.5, 3);
const motionSize = (n: number) => 2 * Math.floor(clamp((61 * n) / 256, 15, 61) / 2) + 1;

const fixed: Record<string, Omit<EvalTask, "name">> = {
  denoise: {
    about: () => "nothing but noise",
    kind: "denoise",
    linear: true,
    multiple: 1,
    operator: (shape) => identity(shape),
  },
  gaussian: {
    about: (n) => `Gaussian blur of ${blurSigma(n)} pixels, circular`,
    kind: "deblur",
    linear: true,
    multiple: 1,
    operator: (shape) => blur(shape, { gaussian: blurSigma(side(shape)) }),
  },
  motion: {
    about: (n) => `a shake of intensity 0.5 in ${motionSize(n)} pixels, another for each picture, circular`,
    kind: "deblur",
    linear: true,
    multiple: 1,
    operator: (shape, random) => blur(shape, { psf: motionPsf(random, { size: motionSize(side(shape)) }) }),
  },
  box: {
    about: () => "a box of half the sides hidden, anywhere",
    kind: "inpaint",
    linear: true,
    multiple: 1,
    masks: true,
    operator(shape, rng) {
      const [H, W] = shape;
      const margin = Math.floor(side(shape) / 16);
      return inpaint(boxMask(shape, { height: H >> 1, width: W >> 1, rng, margin }));
    },
  },
  random: {
    about: () => "70 % of the pixels hidden",
    kind: "inpaint",
    linear: true,
    multiple: 1,
    masks: true,
    operator: (shape, random) => inpaint(randomMask(shape, random, { missing: 0.7 })),
  },
  hdr: {
    about: () => "twice as bright, and clipped",
    kind: "deblur",
    linear: false,
    multiple: 1,
    operator: (shape) => hdr(shape),
  },
  phase: {
    about: () => "moduli of the oversampled Fourier transform of the picture in [0, 1]",
    kind: "deblur",
    linear: false,
    multiple: 1,
    turns: true,
    operator: (shape) => phaseRetrieval(shape, { light: "unit" }),
  },
};
/** Solvers that need no adjoint, by their names: the others skip tasks that are not linear. */
export const NONLINEAR: ReadonlySet<string> = new Set([
  ...["dps", "daps", "ddiff", "ddiff-hqs", "diff-pnp-admm", "diff-pnp-hqs"],
  ...["pnp-edm", "pnp-gd", "red-diff"],
]);

const ALIASES: Record<string, string> = { deblur: "gaussian", inpaint: "box", sr: "sr4", jpeg: "jpeg10" };

export const EVAL_TASKS = [...Object.keys(fixed), "sr2 to sr16", "jpeg1 to jpeg100"];

const nonlinearTask = (blur: () => LoadedBlur): Omit<EvalTask, "name"> => ({
  about: () => "the blur of a network with a latent kernel drawn for each picture",
  kind: "deblur",
  linear: false,
  multiple: 1,
  operator(shape, random) {
    const { apply, channels } = blur();
    return nonlinearBlur(shape, apply, blurLatent(shape, random, { channels }));
  },
});

/** A task by its name: one of a list, `srN` for blocks of N pixels, `jpegN` for quality N; `nonlinear` where a blur is given. */
export function evalTask(given: string, blur?: () => LoadedBlur): EvalTask | undefined {
  const name = ALIASES[given] ?? given;
  if (name === "nonlinear" && blur) return { ...nonlinearTask(blur), name };
  if (Object.hasOwn(fixed, name)) return { ...(fixed[name] as Omit<EvalTask, "name">), name };
  const [, kind, digits] = /^(sr|jpeg)(\d{1,3})$/.exec(name) ?? [];
  const n = Number(digits);
  if (kind === "sr" && n >= 2 && n <= 16)
    return {
      name,
      about: () => `means of ${n} x ${n} pixels`,
      kind: "sr",
      linear: true,
      multiple: n,
      operator: (shape) => superResolution(shape, n),
    };
  if (kind === "jpeg" && n >= 1 && n <= 100)
    return {
      name,
      about: () => `JPEG of quality ${n}, before the noise`,
      kind: "deblur",
      linear: false,
      multiple: 1,
      operator: (shape) => jpeg(shape, { quality: n }),
    };
  return undefined;
}

export interface Measured {
  /** `y`, and `A.holds`, are the caller's to free. */
  readonly A: Operator;
  readonly y: Tensor;
  /** In signed units. */
  readonly sigmaNoise: number;
  readonly truth: Picture;
  /** How many numbers of y were measured. */
  readonly known: number;
  /** For the solvers: the same for all of them. */
  readonly seed: number;
}

/** A number for a name: what is drawn for a picture does not depend on which others there are, nor on their order. */
const numberOf = (name: string): number => hash(...new TextEncoder().encode(name));

/** The measurement of a picture [H, W, 3]; picture, task and seed decide it. `sigmaNoise` in signed units. */
export async function measure(
  picture: Picture,
  task: EvalTask,
  { sigmaNoise, seed, name }: { sigmaNoise: number; seed: number; name: string },
): Promise<Measured> {
  const m = task.multiple;
  const [width, height] = [picture.width - (picture.width % m), picture.height - (picture.height % m)];
  if (!width || !height)
    throw new RangeError(`${task.name}: ${picture.width}x${picture.height} is smaller than one block of ${m}x${m}`);
  const truth = crop(picture, { x: 0, y: 0, width, height });
  const drawn = hash(seed, numberOf(name), numberOf(task.name));
  const made = scope(() => {
    const random = rng(drawn);
    const A = task.operator([height, width, 3], random.fork(1));
    const noisy = addNoise(A.apply(tensor([1, height, width, 3], truth.data)), sigmaNoise, random.fork(2));
    const ones = task.masks
      ? A.apply(tensor([1, height, width, 3], new Float32Array(truth.data.length).fill(1)))
      : noisy;
    // what is hidden has no noise either
    return { A, y: task.masks ? A.apply(noisy) : noisy, ones: sum(ones) };
  });
  const { ones, ...rest } = made;
  const known = task.masks ? Math.round((await ones.read())[0] as number) : rest.y.size;
  ones.dispose();
  return { ...rest, sigmaNoise, truth, known, seed: drawn };
}

/** A measurement as one looks at it: enlarged where it is smaller, and of a spectrum its logarithm. */
export async function picturedMeasurement({ A, y, truth }: Measured, task: EvalTask): Promise<Picture> {
  const [, height, width] = y.shape as [number, number, number];
  const data = await y.read();
  const p: Picture = { width, height, channels: 3, bits: 8, data };
  if (task.turns) {
    const bright = data.reduce((most, v) => Math.max(most, v), 1e-9);
    return { ...p, data: data.map((v) => (2 * Math.log1p((1000 * Math.max(0, v)) / bright)) / Math.log1p(1000) - 1) };
  }
  return (A.domain[0] as number) > height ? enlarge(p, truth.height / height) : p;
}

/** The same, turned by 180 degrees. */
export const turned = (p: Picture): Picture => ({
  ...p,
  data: Float32Array.from(p.data, (_, i) => {
    const at = p.width * p.height - 1 - Math.floor(i / p.channels);
    return p.data[at * p.channels + (i % p.channels)] as number;
  }),
});
