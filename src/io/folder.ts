// A folder of pictures of any size as a source of tiles: each picture gives `perPicture` crops whose places are
// hashes of (seed, tile number). Pictures smaller than a tile are extended by reflection.

import { decodePicture, listFolder, readBytes } from "#platform";
import { ProxelError } from "../errors.ts";
import type { Picture } from "./picture.ts";
import { cropped, type Pixels, pixelsOf } from "./picture_tiles.ts";
import { checkTile, type TileSource } from "./tiles.ts";

export interface FolderOptions {
  /** Side of a tile. */
  size?: number;
  channels?: 1 | 3;
  /** Tiles a picture; a large photo deserves more. */
  perPicture?: number;
  /** Averages blocks of this many pixels first: takes a camera's noise and JPEG's artefacts out of the data. */
  shrink?: number;
  seed?: number;
  /** Decoded pictures kept in memory, in bytes. */
  keep?: number;
}

/** Mean of blocks of n by n pixels; what does not fill a block is left off. */
export function shrunk(p: Picture, n: number): Picture {
  const [width, height] = [Math.floor(p.width / n), Math.floor(p.height / n)];
  if (n === 1 || width < 1 || height < 1) return p;
  const data = new Float32Array(width * height * p.channels);
  for (let y = 0; y < height * n; y++)
    for (let x = 0; x < width * n; x++)
      for (let c = 0; c < p.channels; c++)
        data[(Math.floor(y / n) * width + Math.floor(x / n)) * p.channels + c] +=
          p.data[(y * p.width + x) * p.channels + c] / (n * n);
  return { ...p, width, height, data };
}

/** Opens a folder; pictures are decoded when a tile of theirs is asked for. */
export async function openFolder(path: string, options: FolderOptions = {}): Promise<TileSource> {
  const { size = 64, channels = 3, perPicture = 16, shrink = 1, seed = 0, keep = 512 * 2 ** 20 } = options;
  const names = (await listFolder(path))?.filter((name) => /\.(png|jpe?g|webp)$/i.test(name) && !name.startsWith("."));
  if (!names) throw new ProxelError(`${path}: expected a folder of pictures, got a file`);
  if (names.length === 0)
    throw new ProxelError(`${path}: expected PNG, JPEG or WebP pictures in this folder, got none`);

  const kept = new Map<number, Pixels>(); // a Map remembers the order of use
  let bytes = 0;
  let queue: Promise<unknown> = Promise.resolve();

  async function decode(index: number): Promise<Pixels> {
    const file = `${path}/${names![index]}`;
    const read = await decodePicture(await readBytes(file), file);
    const decoded = pixelsOf(shrunk(read, shrink), size, channels);
    if (!kept.has(index)) {
      kept.set(index, decoded);
      bytes += decoded.pixels.length;
      for (const [old, { pixels }] of kept) {
        if (bytes <= keep || old === index) break;
        kept.delete(old);
        bytes -= pixels.length;
      }
    }
    return decoded;
  }

  const source: TileSource = {
    name: path,
    count: names.length * perPicture,
    width: size,
    height: size,
    channels,
    tile(i, out) {
      checkTile(source, i, out);
      const index = Math.floor(i / perPicture);
      const hit = kept.get(index);
      if (!hit) {
        // one after the other: many large pictures would fill the memory
        const decoded = queue.then(() => kept.get(index) ?? decode(index));
        queue = decoded.catch(() => {});
        return decoded.then((picture) => cropped(picture, size, seed, i, out));
      }
      kept.delete(index); // to the young end
      kept.set(index, hit);
      cropped(hit, size, seed, i, out);
    },
  };
  return source;
}
