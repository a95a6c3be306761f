// Files and pictures in Node: the file system and sharp (libvips). `platform.browser.ts` exports the same names.

import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import sharp from "sharp";
import { ProxelError } from "../errors.ts";
import type { Picture, PictureFormat } from "./picture.ts";
import { sniff } from "./sniff.ts";
import type { WorkerEars, WorkerEnd } from "./tiles_apart.ts";

/** Decoded to [-1, 1], upright (EXIF), sRGB or grey, alpha apart. */
export async function decodePicture(bytes: Uint8Array, name = "picture"): Promise<Picture> {
  const { channels, bits } = sniff(bytes, name);
  // Not "b-w" for grey of 8 bits: sharp's raw output then loses the alpha. As sRGB its three channels are equal.
  const space = bits === 8 ? "srgb" : channels === 1 ? "grey16" : "rgb16";
  const decoded = await sharp(bytes, { failOn: "warning" })
    .rotate() // by the EXIF tag
    .toColourspace(space)
    .raw({ depth: bits === 16 ? "ushort" : "uchar" })
    .toBuffer({ resolveWithObject: true })
    .catch((cause: Error) => {
      // Keep libvips' own words ("premature end", "CRC error"): they say where the damage is.
      const why = cause.message.split("\n")[0].replace(/^Input buffer /, "");
      throw new ProxelError(`${name}: expected a whole picture, got one that is truncated or damaged (${why})`, {
        cause,
      });
    });
  const { width, height, channels: stored } = decoded.info;
  const buffer = decoded.data;
  const samples =
    bits === 16 ? new Uint16Array(buffer.buffer.slice(buffer.byteOffset, buffer.byteOffset + buffer.length)) : buffer;
  if (stored < channels) throw new Error(`internal: ${name} decoded to ${stored} channels`);
  const peak = bits === 16 ? 65535 : 255;
  const data = new Float32Array(width * height * channels);
  const alpha = stored % 2 === 0 ? new Float32Array(width * height) : undefined;
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < channels; c++) data[i * channels + c] = (2 * samples[i * stored + c]) / peak - 1;
    if (alpha) alpha[i] = samples[i * stored + stored - 1] / peak;
  }
  return { width, height, channels, data, ...(alpha && { alpha }), bits, name };
}

/** Bytes of a file. PNG keeps 16 bits; JPEG has no alpha and drops it. */
export async function encodePicture(p: Picture, format: PictureFormat, { quality = 95 } = {}): Promise<Uint8Array> {
  const bits = format === "png" ? p.bits : 8;
  const alpha = format === "jpeg" ? undefined : p.alpha;
  const stored = (p.channels + (alpha ? 1 : 0)) as 1 | 2 | 3 | 4;
  const peak = bits === 16 ? 65535 : 255;
  const samples =
    bits === 16 ? new Uint16Array(p.width * p.height * stored) : new Uint8Array(p.width * p.height * stored);
  const level = (v: number) => Math.max(0, Math.min(peak, Math.round(v * peak)));
  for (let i = 0; i < p.width * p.height; i++) {
    for (let c = 0; c < p.channels; c++) samples[i * stored + c] = level((p.data[i * p.channels + c] + 1) / 2);
    if (alpha) samples[i * stored + stored - 1] = level(alpha[i]);
  }
  const image = sharp(samples, { raw: { width: p.width, height: p.height, channels: stored } }).toColourspace(
    p.channels === 1 ? (bits === 16 ? "grey16" : "b-w") : bits === 16 ? "rgb16" : "srgb",
  );
  // 4:4:4, because a restored edge should not be smeared again by its own file.
  if (format === "jpeg") return image.jpeg({ quality, chromaSubsampling: "4:4:4" }).toBuffer();
  if (format === "webp") return image.webp({ quality }).toBuffer();
  return image.png({ compressionLevel: 9, palette: false }).toBuffer();
}

const reasons: Record<string, string> = {
  ENOENT: "no such file",
  EISDIR: "this is a folder; a file was expected",
  EACCES: "permission denied",
  EPERM: "permission denied",
  ENOSPC: "the disk is full",
  EROFS: "the file system is read-only",
};

function fileError(path: string, cause: NodeJS.ErrnoException): ProxelError {
  return new ProxelError(`${path}: ${reasons[cause.code ?? ""] ?? cause.message}`, { cause });
}

/** All bytes of a path, a URL (file: or http:) or a Blob. */
export async function readBytes(source: string | URL | Blob): Promise<Uint8Array> {
  if (typeof source !== "string" && !(source instanceof URL)) return new Uint8Array(await source.arrayBuffer());
  const text = String(source);
  if (/^https?:/.test(text)) {
    const answer = await fetch(text).catch((cause: Error) => {
      throw new ProxelError(`${text}: no answer (${cause.message})`, { cause });
    });
    if (!answer.ok) throw new ProxelError(`${text}: expected the file, got HTTP ${answer.status}`);
    return new Uint8Array(await answer.arrayBuffer());
  }
  const path = text.startsWith("file:") ? fileURLToPath(text) : text;
  try {
    return new Uint8Array(readFileSync(path));
  } catch (cause) {
    throw fileError(path, cause as NodeJS.ErrnoException);
  }
}

let written = 0;

/**
 * Writes the whole file or nothing: into a hidden neighbour, then renamed over the target. All of it synchronous, so
 * that a signal handler of ours (Ctrl-C) runs before or after, never between.
 */
export async function writeBytes(path: string, bytes: Uint8Array): Promise<void> {
  try {
    // A pipe or /dev/stdout must be written to, not replaced; a link keeps pointing where it did.
    if (existsSync(path) && !statSync(path).isFile()) return writeFileSync(path, bytes);
    const target = existsSync(path) ? realpathSync(path) : path;
    if (!existsSync(dirname(target)))
      throw new ProxelError(`${path}: the folder ${dirname(target)} does not exist; create it first`);
    const temporary = join(dirname(target), `.${basename(target)}.${process.pid}.${written++}.part`);
    try {
      writeFileSync(temporary, bytes);
      renameSync(temporary, target);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
  } catch (error) {
    throw error instanceof ProxelError ? error : fileError(path, error as NodeJS.ErrnoException);
  }
}

/** Does something of that name exist? */
export async function exists(path: string): Promise<boolean> {
  return existsSync(path);
}

/** Makes a folder and those above it. */
export async function makeFolder(path: string): Promise<void> {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    throw fileError(path, error as NodeJS.ErrnoException);
  }
}

/** Names in a folder, sorted by code unit (the same on every machine), or undefined when `path` is no folder. */
export async function listFolder(path: string): Promise<string[] | undefined> {
  if (!existsSync(path)) throw new ProxelError(`${path}: no such file or folder`);
  return statSync(path).isDirectory() ? readdirSync(path).sort() : undefined;
}

/** Path of a neighbour of `path`. */
export function sibling(path: string, name: string): string {
  return join(dirname(path), name);
}

/** Starts a worker of the build: it lies beside this file in dist/, where it is also found from the sources. */
export function startWorker(name: string, { heard, failed }: WorkerEars): WorkerEnd {
  const place = import.meta.url.endsWith(".ts") ? "../../dist/" : "./";
  const file = fileURLToPath(new URL(`${place}${name}.js`, import.meta.url));
  if (!existsSync(file)) throw new ProxelError(`${file}: no such worker; \`npm run build\` makes it`);
  const worker = new Worker(file, { execArgv: [] });
  worker.unref();
  worker.on("message", heard);
  worker.on("error", (error) => failed(error.message));
  worker.on("exit", (code) => failed(`exit code ${code}`));
  return {
    send: (message) => worker.postMessage(message),
    busy: (yes) => (yes ? worker.ref() : worker.unref()),
    end: () => void worker.terminate(),
  };
}
