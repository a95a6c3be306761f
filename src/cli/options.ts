import { extname } from "node:path";
import { readBytes } from "#platform";
import { parseNpy } from "../io/npy.ts";
import { type Picture, readPicture, toGrey } from "../io/picture.ts";
import { TASKS, type Task, type TaskOptions } from "../tasks.ts";
import { nearest } from "./nearest.ts";

/** Options that restore, degrade and demo share. */
export const TASK_OPTIONS = {
  task: { type: "string", short: "t" },
  blur: { type: "string" },
  psf: { type: "string" },
  scale: { type: "string" },
  mask: { type: "string" },
  noise: { type: "string" },
  seed: { type: "string" },
  size: { type: "string" },
  out: { type: "string", short: "o" },
  force: { type: "boolean", short: "f" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

export const TASK_HELP = `  -t, --task NAME    deblur, sr, inpaint or denoise
  --blur SIGMA       deblur: Gaussian, standard deviation in pixels [3]     --psf FILE   any kernel (picture or .npy)
  --scale N          sr: factor [4]
  --mask FILE        inpaint: a picture of the same size, white where known
  --noise X          standard deviation in [0, 1] units`;

type Values = { readonly [name: string]: string | boolean | string[] | undefined };

/** A number option, checked; undefined when it was not given. */
export function number(
  values: Values,
  name: string,
  { min = Number.NEGATIVE_INFINITY, above = Number.NEGATIVE_INFINITY, whole = false } = {},
): number | undefined {
  const text = values[name];
  if (text === undefined) return undefined;
  const n = Number(text);
  const ok = text !== "" && Number.isFinite(n) && n >= min && n > above && (!whole || Number.isInteger(n));
  if (ok) return n;
  const bound =
    above > Number.NEGATIVE_INFINITY ? ` above ${above}` : min > Number.NEGATIVE_INFINITY ? ` from ${min} up` : "";
  throw new RangeError(`--${name} expects a ${whole ? "whole number" : "number"}${bound}, got ${text}`);
}

export function oneOf<T extends string>(what: string, value: unknown, names: readonly T[]): T {
  if (names.includes(value as T)) return value as T;
  const near = typeof value === "string" ? nearest(value, [...names]) : undefined;
  throw new TypeError(
    `${what} expects one of ${names.join(", ")}, got ${value ?? "nothing"}${near ? `; did you mean ${near}?` : ""}`,
  );
}

export const taskFrom = (values: Values): Task => oneOf("--task", values.task, TASKS);

/** The operator's options, with the files they name read. */
export async function taskOptions(values: Values, task: Task): Promise<TaskOptions> {
  const only: Record<string, Task> = { blur: "deblur", psf: "deblur", scale: "sr", mask: "inpaint" };
  for (const [name, of] of Object.entries(only))
    if (values[name] !== undefined && of !== task)
      throw new TypeError(`--${name} belongs to --task ${of}, this is ${task}`);
  const blur = number(values, "blur", { above: 0 });
  const scale = number(values, "scale", { min: 2, whole: true });
  return {
    ...(blur === undefined ? {} : { blur }),
    ...(scale === undefined ? {} : { scale }),
    ...(values.psf === undefined ? {} : { psf: await readPsf(String(values.psf)) }),
    ...(values.mask === undefined ? {} : { mask: await readMask(String(values.mask)) }),
  };
}

/** A kernel from a grey picture or a 2-D .npy. It may have negative weights; it is normalised to sum 1. */
async function readPsf(path: string): Promise<number[][]> {
  const { width, height, data } =
    extname(path) === ".npy"
      ? plane(parseNpy(await readBytes(path), path) as Plane, path)
      : unit(await readPicture(path));
  const sum = data.reduce((a, b) => a + b, 0);
  if (!(Math.abs(sum) > 1e-9) || !Number.isFinite(sum))
    throw new RangeError(`${path}: the weights of a point spread function must not sum to ${sum}`);
  return Array.from({ length: height }, (_, y) => [...data.subarray(y * width, (y + 1) * width)].map((v) => v / sum));
}

async function readMask(path: string): Promise<NonNullable<TaskOptions["mask"]>> {
  const { width, height, data } = unit(await readPicture(path));
  return { width, height, data: data.map((v) => (v > 0.5 ? 1 : 0)) };
}

/** Grey, [0, 1]. */
function unit(p: Picture) {
  const { width, height, data } = toGrey(p);
  return { width, height, data: Float32Array.from(data, (v) => (v + 1) / 2) };
}

type Plane = { shape: number[]; data: ArrayLike<number> };

function plane({ shape, data }: Plane, path: string) {
  if (shape.length !== 2) throw new TypeError(`${path}: expected an array of two axes, got [${shape}]`);
  return { height: shape[0] as number, width: shape[1] as number, data: Float32Array.from(data) };
}

/** A picture, or a measurement in .npy: [H, W], [H, W, 1] or [H, W, 3] in [0, 1] units, not clipped. */
export async function readInput(path: string): Promise<Picture> {
  if (extname(path) !== ".npy") return readPicture(path);
  const { shape, data, dtype } = parseNpy(await readBytes(path), path);
  const [height, width, channels = 1] = shape as [number, number, number?];
  if (shape.length < 2 || shape.length > 3 || (channels !== 1 && channels !== 3) || dtype === "c64")
    throw new TypeError(`${path}: expected an array [H, W] or [H, W, 3] of real numbers, got ${dtype} [${shape}]`);
  return {
    width,
    height,
    channels,
    data: Float32Array.from(data as ArrayLike<number>, (v) => 2 * v - 1),
    bits: 8,
    name: path,
  };
}
