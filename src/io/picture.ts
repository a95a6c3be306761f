// A picture on the host: pixels in [-1, 1], row by row, channels innermost. Everything inside Proxel speaks this
// range; 8 and 16 bits exist only in files. Geometry (crop, reflect, centre) and reading and writing by name.

import { decodePicture, encodePicture, exists, readBytes, writeBytes } from "#platform";
import { ProxelError } from "../errors.ts";
import { luma } from "./colour.ts";

export interface Picture {
  width: number;
  height: number;
  channels: 1 | 3;
  /** [H, W, C] in [-1, 1]. */
  data: Float32Array;
  /** [H, W] in [0, 1]; carried along, never restored. */
  alpha?: Float32Array;
  /** Depth of the file it came from, and of the PNG it goes to. */
  bits: 8 | 16;
  name?: string;
}

export type PictureFormat = "png" | "jpeg" | "webp";

const formats: Record<string, PictureFormat> = { png: "png", jpg: "jpeg", jpeg: "jpeg", webp: "webp" };

/** Format that a file name asks for. */
export function formatOf(path: string): PictureFormat {
  const extension = /\.([^./\\]+)$/.exec(path)?.[1]?.toLowerCase();
  const format = extension === undefined ? undefined : formats[extension];
  if (!format)
    throw new ProxelError(
      `${path}: expected an output name ending in .png, .jpg, .jpeg or .webp, got "${extension ?? ""}"`,
    );
  return format;
}

/** Decoded picture of a path, URL or (in a page) Blob. */
export async function readPicture(source: string | URL | Blob): Promise<Picture> {
  const name =
    typeof source === "string" ? source : source instanceof URL ? source.href : ((source as File).name ?? "picture");
  return decodePicture(await readBytes(source), name);
}

/** Throws when `path` may not be written. Ask before hours of work, not after. */
export async function checkOutput(path: string, { force = false } = {}): Promise<void> {
  if (!force && (await exists(path)))
    throw new ProxelError(`${path}: exists already; give --force (force: true) to replace it`);
}

/** Writes by the name's extension; atomic, and refuses to replace a file unless forced. */
export async function writePicture(
  path: string,
  picture: Picture,
  { force = false, quality = 95 } = {},
): Promise<void> {
  const format = formatOf(path);
  await checkOutput(path, { force });
  await writeBytes(path, await encodePicture(picture, format, { quality }));
}

/** One channel, Rec. 601 luma: what "grey" means in PNG tools and in the papers' Y channel. */
export const toGrey = (p: Picture): Picture => (p.channels === 1 ? p : { ...p, channels: 1, data: luma(p) });

/** Three channels; grey is repeated. */
export function toRgb(p: Picture): Picture {
  if (p.channels === 3) return p;
  const data = new Float32Array(p.data.length * 3);
  for (let i = 0; i < p.data.length; i++) data.fill(p.data[i], 3 * i, 3 * i + 3);
  return { ...p, channels: 3, data };
}

/** Pixels (ys[y], xs[x]) of a picture, as a new picture. */
function gather(p: Picture, ys: number[], xs: number[]): Picture {
  const { channels, width } = p;
  const data = new Float32Array(ys.length * xs.length * channels);
  const alpha = p.alpha && new Float32Array(ys.length * xs.length);
  let to = 0;
  for (const y of ys)
    for (const x of xs) {
      const from = y * width + x;
      if (alpha) alpha[to] = p.alpha![from];
      for (let c = 0; c < channels; c++) data[to * channels + c] = p.data[from * channels + c];
      to++;
    }
  return { ...p, width: xs.length, height: ys.length, data, ...(alpha && { alpha }) };
}

const span = (start: number, length: number): number[] => Array.from({ length }, (_, i) => start + i);

/** The rectangle whose top left pixel is (x, y). */
export function crop(
  p: Picture,
  { x, y, width, height }: { x: number; y: number; width: number; height: number },
): Picture {
  const whole = [x, y, width, height].every(Number.isInteger);
  if (!whole || x < 0 || y < 0 || width < 1 || height < 1 || x + width > p.width || y + height > p.height)
    throw new RangeError(
      `crop: ${width}x${height} at (${x}, ${y}) does not lie inside a picture of ${p.width}x${p.height}`,
    );
  return gather(p, span(y, height), span(x, width));
}

/** The centre `size` by `size` (the CLI's --size). */
export function centreCrop(p: Picture, size: number): Picture {
  if (!Number.isInteger(size) || size < 1)
    throw new RangeError(`centreCrop: size expects a whole number of pixels, got ${size}`);
  if (size > p.width || size > p.height)
    throw new RangeError(
      `${p.name ?? "centreCrop"}: --size ${size} is larger than the picture (${p.width}x${p.height})`,
    );
  return crop(p, { x: (p.width - size) >> 1, y: (p.height - size) >> 1, width: size, height: size });
}

/**
 * Index of a reflection without repeating the edge, of any reach: 2 1 | 0 1 2 | 1 0 1 2 ... The signal has period
 * 2n - 2, so a pad larger than the side reflects again; a side of one pixel repeats it.
 */
export function reflectIndex(i: number, n: number): number {
  if (n === 1) return 0;
  const period = 2 * n - 2;
  const r = ((i % period) + period) % period;
  return r < n ? r : period - r;
}

/** Reflected on each side by the given pixels. */
export function padReflect(p: Picture, pad: { left?: number; right?: number; top?: number; bottom?: number }): Picture {
  const { left = 0, right = 0, top = 0, bottom = 0 } = pad;
  if (![left, right, top, bottom].every((n) => Number.isInteger(n) && n >= 0))
    throw new RangeError(`padReflect: expects whole, non-negative pads, got ${left}, ${right}, ${top}, ${bottom}`);
  const reach = (before: number, after: number, n: number) =>
    span(-before, n + before + after).map((i) => reflectIndex(i, n));
  return gather(p, reach(top, bottom, p.height), reach(left, right, p.width));
}

/** Reflected at right and bottom until both sides are multiples; `crop` to the old size undoes it. */
export function padToMultiple(p: Picture, multiple: number): Picture {
  const missing = (n: number) => (multiple - (n % multiple)) % multiple;
  return padReflect(p, { right: missing(p.width), bottom: missing(p.height) });
}

/** [-1, 1] to 0..255, clamped, to nearest. Exact inverse of v / 127.5 - 1 on bytes. */
export function quantise(data: ArrayLike<number>): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(data.length);
  for (let i = 0; i < out.length; i++) out[i] = Math.max(0, Math.min(255, Math.round((data[i] + 1) * 127.5)));
  return out;
}

/** 0..255 to [-1, 1]. */
export function dequantise(bytes: ArrayLike<number>): Float32Array<ArrayBuffer> {
  const out = new Float32Array(bytes.length);
  for (let i = 0; i < out.length; i++) out[i] = bytes[i] / 127.5 - 1;
  return out;
}
