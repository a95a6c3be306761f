// Files and pictures in a page: fetch, createImageBitmap and OffscreenCanvas. Same names as `platform.node.ts`.

import { ProxelError } from "../errors.ts";
import type { Picture, PictureFormat } from "./picture.ts";
import { sniff } from "./sniff.ts";
import type { WorkerEars, WorkerEnd } from "./tiles_apart.ts";

function context(width: number, height: number): { canvas: OffscreenCanvas; pen: OffscreenCanvasRenderingContext2D } {
  const canvas = new OffscreenCanvas(width, height);
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  if (!pen) throw new ProxelError(`canvas: this browser gave no 2d context of ${width}x${height}`);
  return { canvas, pen };
}

/** Decoded to [-1, 1], upright (EXIF), sRGB or grey, alpha apart. A canvas holds 8 bits, so 16-bit PNGs lose their low byte. */
export async function decodePicture(bytes: Uint8Array, name = "picture"): Promise<Picture> {
  const { channels } = sniff(bytes, name);
  const bitmap = await createImageBitmap(new Blob([bytes as BlobPart]), {
    imageOrientation: "from-image",
    premultiplyAlpha: "none",
  }).catch((cause: Error) => {
    throw new ProxelError(
      `${name}: expected a whole picture, got one that is truncated or damaged (${cause.message})`,
      { cause },
    );
  });
  const { width, height } = bitmap;
  const { pen } = context(width, height);
  pen.drawImage(bitmap, 0, 0);
  bitmap.close();
  const samples = pen.getImageData(0, 0, width, height).data;
  const data = new Float32Array(width * height * channels);
  const alpha = new Float32Array(width * height);
  let opaque = true;
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < channels; c++) data[i * channels + c] = samples[4 * i + c] / 127.5 - 1;
    alpha[i] = samples[4 * i + 3] / 255;
    opaque &&= samples[4 * i + 3] === 255;
  }
  return { width, height, channels, data, ...(opaque ? {} : { alpha }), bits: 8, name };
}

/** Pixels as ImageData, for a canvas or an encoder. */
export function toImageData(p: Picture): ImageData {
  const image = new ImageData(p.width, p.height);
  for (let i = 0; i < p.width * p.height; i++) {
    for (let c = 0; c < 3; c++) {
      // Uint8ClampedArray rounds and clamps by itself.
      image.data[4 * i + c] = (p.data[i * p.channels + (p.channels === 3 ? c : 0)] + 1) * 127.5;
    }
    image.data[4 * i + 3] = p.alpha ? p.alpha[i] * 255 : 255;
  }
  return image;
}

/** Bytes of a file, 8 bits a sample and always in colour: a canvas knows no grey. */
export async function encodePicture(p: Picture, format: PictureFormat, { quality = 95 } = {}): Promise<Uint8Array> {
  const { canvas, pen } = context(p.width, p.height);
  // A canvas paints what is transparent black into a JPEG; Node drops the alpha, so drop it here.
  const { alpha, ...opaque } = p;
  pen.putImageData(toImageData(format === "jpeg" ? opaque : p), 0, 0);
  const blob = await canvas.convertToBlob({ type: `image/${format}`, quality: quality / 100 });
  if (blob.type !== `image/${format}`)
    throw new ProxelError(`encodePicture: this browser cannot write ${format}; use png`);
  return new Uint8Array(await blob.arrayBuffer());
}

/** All bytes of an address or a Blob. */
export async function readBytes(source: string | URL | Blob): Promise<Uint8Array> {
  if (source instanceof Blob) return new Uint8Array(await source.arrayBuffer());
  const answer = await fetch(source).catch((cause: Error) => {
    throw new ProxelError(`${source}: no answer (${cause.message})`, { cause });
  });
  if (!answer.ok) throw new ProxelError(`${source}: expected the file, got HTTP ${answer.status}`);
  return new Uint8Array(await answer.arrayBuffer());
}

/** Offers the bytes as a download: a page has no file system. */
export async function writeBytes(path: string, bytes: Uint8Array): Promise<void> {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([bytes as BlobPart]));
  link.download = path.split("/").at(-1)!;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** A download never replaces anything. */
export async function exists(_path: string): Promise<boolean> {
  return false;
}

/** A page has no folders to make. */
export async function makeFolder(path: string): Promise<void> {
  throw new ProxelError(`${path}: a page cannot make folders`);
}

/** A page cannot list folders; every path is a file. */
export async function listFolder(_path: string): Promise<string[] | undefined> {
  return undefined;
}

/** Address of a neighbour of `path`. */
export function sibling(path: string, name: string): string {
  return path.slice(0, path.lastIndexOf("/") + 1) + name;
}

/** Starts a worker of the build, which lies beside the page's script. */
export function startWorker(name: string, { heard, failed }: WorkerEars): WorkerEnd {
  if (typeof Worker === "undefined") throw new ProxelError("this browser has no workers here");
  const worker = new Worker(new URL(`./${name}.browser.js`, import.meta.url), { type: "module" });
  worker.onmessage = ({ data }) => heard(data);
  worker.onerror = ({ message }) => failed(message || "it did not start");
  return { send: (message) => worker.postMessage(message), busy() {}, end: () => worker.terminate() };
}
