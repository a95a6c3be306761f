/** What `reconstruct` reads: k-space and maps as scanners' programs write them, coils first, and masks. */
import { extname } from "node:path";
import { readBytes } from "#platform";
import type { Rng } from "../../kernels/random.ts";
import { parseNpy } from "../io/npy.ts";
import { readPicture, toGrey } from "../io/picture.ts";
import { MRI_MASKS, type MriMask } from "../physics/mri_masks.ts";
import { oneOf } from "./options.ts";

/** Complex numbers [H, W, coils], interleaved. */
export interface Coils {
  readonly H: number;
  readonly W: number;
  readonly coils: number;
  readonly data: Float32Array;
}

/** A .npy [H, W] or [coils, H, W] of complex64. */
export async function readCoils(path: string): Promise<Coils> {
  const { shape, data, dtype } = parseNpy(await readBytes(path), path);
  const [W = 0, H = 0, coils = 1] = [...shape].reverse();
  if (dtype !== "c64" || shape.length < 2 || shape.length > 3 || H * W * coils === 0)
    throw new TypeError(`${path}: expected complex64 [coils, H, W] or [H, W], got ${dtype} [${shape.join(", ")}]`);
  const out = new Float32Array(data.length);
  for (let c = 0; c < coils; c++)
    for (let i = 0; i < H * W; i++) {
      const [from, to] = [2 * (c * H * W + i), 2 * (i * coils + c)];
      out[to] = data[from] as number;
      out[to + 1] = data[from + 1] as number;
    }
  if (!out.every(Number.isFinite)) throw new RangeError(`${path}: expected finite numbers`);
  if (!out.some((v) => v !== 0)) throw new RangeError(`${path}: expected numbers, got zeros only`);
  return { H, W, coils, data: out };
}

/** 1 where some coil's sample is not 0: what was measured. */
export const measuredOf = ({ H, W, coils, data }: Coils): Float32Array =>
  Float32Array.from({ length: H * W }, (_, i) =>
    data.subarray(2 * i * coils, 2 * (i + 1) * coils).some((v) => v !== 0) ? 1 : 0,
  );

export type MaskChoice = { kind: MriMask; acceleration: number } | { data: Float32Array };

/** `uniform1d:4`, or a file: a picture or .npy of the size of k-space, or .npy [W] of its columns; above a half is measured. */
export async function readMaskChoice(word: string, { H, W }: Coils): Promise<MaskChoice> {
  const [, name, factor] = /^([^:]*)(?::([\d.]+))?$/.exec(word) ?? [];
  const extension = extname(word).toLowerCase();
  if (!extension || (name && MRI_MASKS.includes(name as MriMask))) {
    const kind = oneOf("--mask", name ?? word, MRI_MASKS);
    const acceleration = Number(factor ?? 4);
    if (!(acceleration >= 1))
      throw new RangeError(`--mask ${word}: the acceleration must be 1 or more, as in ${kind}:4`);
    return { kind, acceleration };
  }
  const { values, shape } = extension === ".npy" ? await array(word) : await picture(word);
  const [w = 0, h = 1] = [...shape].reverse();
  if (w !== W || (h !== H && shape.length > 1) || shape.length > 2)
    throw new RangeError(`${word}: k-space is [${H}, ${W}], the mask [${shape.join(", ")}]; they must agree`);
  const data = Float32Array.from({ length: H * W }, (_, i) => ((values[i % values.length] as number) > 0.5 ? 1 : 0));
  if (!data.some(Boolean)) throw new RangeError(`${word}: the mask measures nothing; white (1) is measured`);
  return { data };
}

async function array(path: string) {
  const { shape, data, dtype } = parseNpy(await readBytes(path), path);
  if (dtype === "c64") throw new TypeError(`${path}: expected a mask of real numbers, got ${dtype}`);
  return { shape, values: Float32Array.from(data as ArrayLike<number | bigint>, Number) };
}

async function picture(path: string) {
  const { width, height, data } = toGrey(await readPicture(path));
  return { shape: [height, width], values: data.map((v) => (v + 1) / 2) };
}

/** The seed's stream for masks, apart from the solvers'. */
export const maskRng = (rng: Rng): Rng => rng.fork(0x6d);

/**
 * Standard deviation of the noise of one real number of k-space, from the tenth of the samples that lies farthest out, where
 * there is little else: their median modulus over sqrt(2 ln 2), Rayleigh's.
 */
export function kspaceNoise({ H, W, coils, data }: Coils, mask: ArrayLike<number>): number {
  const radius = (i: number) => Math.hypot((2 * Math.floor(i / W) - H) / H, (2 * (i % W) - W) / W);
  const known = Array.from({ length: H * W }, (_, i) => i).filter((i) => mask[i]);
  known.sort((a, b) => radius(b) - radius(a));
  const outer = known.slice(0, Math.max(1, known.length / 10));
  const moduli = outer.flatMap((i) =>
    Array.from({ length: coils }, (_, c) =>
      Math.hypot(data[2 * (i * coils + c)] as number, data[2 * (i * coils + c) + 1] as number),
    ),
  );
  return quantile(moduli, 0.5) / Math.sqrt(2 * Math.LN2);
}

/** The smallest number with at least this part of the numbers at or below it. */
export function quantile(values: ArrayLike<number>, part: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.max(0, Math.min(sorted.length - 1, Math.ceil(part * sorted.length) - 1))] as number;
}
