// Pictures in memory as a source of tiles: what a page has of its user's own.

import { ProxelError } from "../errors.ts";
import { draws } from "./hash.ts";
import { type Picture, padReflect, quantise, toGrey, toRgb } from "./picture.ts";
import { checkTile, type TileSource } from "./tiles.ts";

/** A picture as bytes, at least as wide and high as a tile. */
export interface Pixels {
  width: number;
  height: number;
  channels: 1 | 3;
  pixels: Uint8Array;
}

/** What is smaller than a tile is extended by reflection. */
export function pixelsOf(picture: Picture, size: number, channels: 1 | 3): Pixels {
  const p = channels === 1 ? toGrey(picture) : toRgb(picture);
  const { width, height, data } = padReflect(p, {
    right: Math.max(0, size - p.width),
    bottom: Math.max(0, size - p.height),
  });
  return { width, height, channels, pixels: quantise(data) };
}

/** Writes tile i into `out`: a crop whose place is a hash of (seed, i). */
export function cropped(
  { width, height, channels, pixels }: Pixels,
  size: number,
  seed: number,
  i: number,
  out: Uint8Array,
) {
  const random = draws(seed, i);
  const [left, top] = [random.below(width - size + 1), random.below(height - size + 1)];
  for (let y = 0; y < size; y++) {
    const from = ((top + y) * width + left) * channels;
    out.set(pixels.subarray(from, from + size * channels), y * size * channels);
  }
}

/** Tiles of `size` by `size` in colour, `perPicture` from each. */
export function pictureTiles(
  pictures: readonly Picture[],
  { size = 64, perPicture = 16, seed = 0, name = "pictures" } = {},
): TileSource {
  if (!pictures.length) throw new ProxelError("pictureTiles: expected at least one picture, got none");
  const all = pictures.map((p) => pixelsOf(p, size, 3));
  const about = { name, count: pictures.length * perPicture, width: size, height: size, channels: 3 as const };
  return {
    ...about,
    tile(i, out) {
      checkTile(about, i, out);
      cropped(all[Math.floor(i / perPicture)] as Pixels, size, seed, i, out);
    },
  };
}
