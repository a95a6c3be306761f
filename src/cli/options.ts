import { existsSync, statSync } from "node:fs";
import { dirname, extname } from "node:path";
import { type ParseArgsConfig, parseArgs } from "node:util";
import { readBytes } from "#platform";
import { rng } from "../../kernels/random.ts";
import { ProxelError } from "../errors.ts";
import { parseNpy } from "../io/npy.ts";
import { checkOutput, formatOf, type Picture, readPicture, toGrey } from "../io/picture.ts";
import { motionPsf } from "../physics/motion.ts";
import { type Mask, TASKS, type Task, type TaskOptions } from "../tasks.ts";
import { nearest } from "./nearest.ts";

/** Options that restore, degrade and demo share. */
export const TASK_OPTIONS = {
  task: { type: "string", short: "t" },
  blur: { type: "string" },
  psf: { type: "string" },
  motion: { type: "string" },
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
  --blur SIGMA       deblur: Gaussian of this standard deviation, in pixels [3]
  --psf FILE         deblur: any other kernel, a picture or .npy; its sum is made 1
  --motion N         deblur: a hand's shake in a square of N pixels, drawn from --seed
  --scale N          sr: factor [4]
  --mask FILE        inpaint: a picture or .npy of the same size, white (1) where known
  --noise X          standard deviation, black being 0 and white 1`;

type Options = NonNullable<ParseArgsConfig["options"]>;

/** `parseArgs`, which also takes `--noise -1` for a number, and says in one line what was meant. */
export function parse<T extends Options>(argv: readonly string[], options: T, allowPositionals = false) {
  const takesValue = (word: string) => {
    const name = word.startsWith("--")
      ? word.slice(2)
      : Object.keys(options).find((k) => `-${options[k]?.short}` === word);
    return name !== undefined && options[name]?.type === "string";
  };
  const args: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const [word, next] = [argv[i] as string, argv[i + 1]];
    if (word === "--") {
      args.push(...argv.slice(i));
      break;
    }
    if (takesValue(word) && next !== undefined && /^-[\d.]/.test(next)) {
      args.push(word.startsWith("--") ? `${word}=${next}` : `${word}${next}`);
      i++;
    } else args.push(word);
  }
  try {
    return parseArgs({ args, options, allowPositionals });
  } catch (error) {
    throw explained(error as Error, Object.keys(options));
  }
}

function explained(error: Error, names: string[]): Error {
  const { code } = error as NodeJS.ErrnoException;
  const [, option = ""] = /'(?:-\w, )?(-[^' ]+)/.exec(error.message) ?? [];
  switch (code) {
    case "ERR_PARSE_ARGS_UNKNOWN_OPTION": {
      const near = nearest(option.replace(/^-+/, ""), names);
      return new ProxelError(`unknown option ${option}; ${near ? `did you mean --${near}?` : "--help lists them"}`);
    }
    case "ERR_PARSE_ARGS_INVALID_OPTION_VALUE":
      return new ProxelError(
        /does not take/.test(error.message)
          ? `${option} takes no value`
          : `${option} expects a value; one that begins with - is written ${option}=-...`,
      );
    case "ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL":
      return new ProxelError(`${/'([^']*)'/.exec(error.message)?.[1]}: not expected here; --help shows what is`);
    default:
      return error;
  }
}

/** Refuses what could not be written later: no such folder, a folder in its place, a file that is there. */
export async function checkTarget(path: string, options: { force: boolean }): Promise<void> {
  formatOf(path);
  await checkOutput(path, options);
  if (!existsSync(dirname(path)))
    throw new ProxelError(`${path}: the folder ${dirname(path)} does not exist; create it first`);
  if (isFolder(path)) throw new ProxelError(`${path}: this is a folder; a file was expected`);
}

export const isFolder = (path: string): boolean => existsSync(path) && statSync(path).isDirectory();

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
  const only: Record<string, Task> = { blur: "deblur", psf: "deblur", motion: "deblur", scale: "sr", mask: "inpaint" };
  for (const [name, of] of Object.entries(only))
    if (values[name] !== undefined && of !== task)
      throw new TypeError(`--${name} belongs to --task ${of}, this is ${task}`);
  const kernels = ["blur", "psf", "motion"].filter((name) => values[name] !== undefined);
  if (kernels.length > 1) throw new TypeError(`--${kernels.join(" and --")} are different kernels; give one of them`);
  const blur = number(values, "blur", { above: 0 });
  const scale = number(values, "scale", { min: 2, whole: true });
  const motion = number(values, "motion", { min: 3, whole: true });
  const seed = number(values, "seed", { min: 0, whole: true }) ?? 0;
  return {
    ...(blur === undefined ? {} : { blur }),
    ...(scale === undefined ? {} : { scale }),
    ...(values.psf === undefined ? {} : { psf: await readPsf(String(values.psf)) }),
    ...(motion === undefined ? {} : { psf: motionPsf(rng(seed).fork(0x6d), { size: motion }) }),
    ...(values.mask === undefined ? {} : { mask: await readMask(String(values.mask)) }),
  };
}

/** A kernel from a grey picture or a 2-D .npy. It may have negative weights. */
async function readPsf(path: string): Promise<number[][]> {
  const { width, height, data } = isNpy(path) ? await plane(path) : unit(await readPicture(path));
  return Array.from({ length: height }, (_, y) => [...data.subarray(y * width, (y + 1) * width)]);
}

async function readMask(path: string): Promise<Mask> {
  const { width, height, data } = isNpy(path) ? await plane(path) : unit(await readPicture(path));
  if (!data.some((v) => v > 0.5)) throw new RangeError(`${path}: the mask knows no pixel; white (1) is known`);
  return { width, height, data: data.map((v) => (v > 0.5 ? 1 : 0)) };
}

const isNpy = (path: string): boolean => extname(path).toLowerCase() === ".npy";

/** Grey, [0, 1]. */
function unit(p: Picture) {
  const { width, height, data } = toGrey(p);
  return { width, height, data: Float32Array.from(data, (v) => (v + 1) / 2) };
}

/** Real, finite numbers of a .npy, its axes within these. */
async function numbers(path: string, most: 2 | 3) {
  const { shape, data, dtype } = parseNpy(await readBytes(path), path);
  const [height = 0, width = 0, channels = 1] = shape;
  const fits = shape.length >= 2 && shape.length <= most && (channels === 1 || channels === 3) && height * width > 0;
  if (!fits || dtype === "c64")
    throw new TypeError(
      `${path}: expected an array [H, W]${most === 3 ? " or [H, W, 3]" : ""} of real numbers, got ${dtype} [${shape}]`,
    );
  const values = Float32Array.from(data as ArrayLike<number | bigint>, Number);
  const odd = values.find((v) => !Number.isFinite(v));
  if (odd !== undefined) throw new RangeError(`${path}: expected finite numbers, got ${odd}`);
  return { width, height, channels: channels as 1 | 3, values, bytes: dtype === "u8" };
}

async function plane(path: string) {
  const { width, height, values } = await numbers(path, 2);
  return { width, height, data: values };
}

/** A picture, or a measurement in .npy: [H, W], [H, W, 1] or [H, W, 3], 0 black, 1 white (bytes: 255), not clipped. */
export async function readInput(path: string): Promise<Picture> {
  if (!isNpy(path)) return readPicture(path);
  const { width, height, channels, values, bytes } = await numbers(path, 3);
  const white = bytes ? 255 : 1;
  return { width, height, channels, data: values.map((v) => (2 * v) / white - 1), bits: 8, name: path };
}
