// A PNG atlas: tiles of one size laid in rows over a few PNG files, described by `<name>.json`
//   { name, count, tile: [w, h], channels, cols, files: [{ file, count }], licence, ... }
// Files are decoded when first asked for and kept as bytes, since training comes back to all of them.

import { decodePicture, readBytes, sibling } from "#platform";
import { ProxelError } from "../errors.ts";
import { quantise, toGrey, toRgb } from "./picture.ts";
import { checkTile, type TileSource } from "./tiles.ts";

interface Header {
  name: string;
  count: number;
  tile: [number, number];
  channels: 1 | 3;
  cols: number;
  files: { file: string; count: number }[];
  licence?: string;
  labels?: number[];
  classes?: string[];
}

export interface AtlasSource extends TileSource {
  /** Class of each tile, where the header has them. */
  labels?: number[];
  classes?: string[];
}

const whole = (v: unknown): v is number => Number.isInteger(v) && (v as number) > 0;

function checkHeader(h: Header, path: string): void {
  const bad = (what: string) => new ProxelError(`${path}: expected an atlas header, got ${what}`);
  if (typeof h !== "object" || h === null) throw bad("no object");
  if (!whole(h.count)) throw bad(`count ${h.count}`);
  if (!Array.isArray(h.tile) || h.tile.length !== 2 || !h.tile.every(whole))
    throw bad(`tile ${JSON.stringify(h.tile)} instead of [w, h]`);
  if (h.channels !== 1 && h.channels !== 3) throw bad(`channels ${h.channels}`);
  if (!whole(h.cols)) throw bad(`cols ${h.cols}`);
  if (!Array.isArray(h.files) || !h.files.every((f) => typeof f?.file === "string" && whole(f.count)))
    throw bad("no list of files with counts");
  const sum = h.files.reduce((n, f) => n + f.count, 0);
  if (sum !== h.count) throw bad(`files holding ${sum} tiles while count says ${h.count}`);
}

/** Tiles of one atlas file, in order: [count, h, w, c] bytes. */
async function decodeTiles(path: string, { tile: [w, h], channels, cols }: Header, count: number): Promise<Uint8Array> {
  const decoded = await decodePicture(await readBytes(path), path);
  const picture = channels === 1 ? toGrey(decoded) : toRgb(decoded);
  const rows = Math.ceil(count / cols);
  if (picture.width !== cols * w || picture.height < rows * h)
    throw new ProxelError(
      `${path}: ${count} tiles in ${cols} columns expect ${cols * w}x${rows * h} pixels, got ${picture.width}x${picture.height}`,
    );
  const pixels = quantise(picture.data);
  const out = new Uint8Array(count * h * w * channels);
  const run = w * channels;
  for (let i = 0; i < count; i++)
    for (let y = 0; y < h; y++) {
      const from = ((Math.floor(i / cols) * h + y) * cols + (i % cols)) * run;
      out.set(pixels.subarray(from, from + run), (i * h + y) * run);
    }
  return out;
}

/** Opens `<name>.json`; no picture is read yet. */
export async function openAtlas(path: string): Promise<AtlasSource> {
  const text = new TextDecoder().decode(await readBytes(path));
  let header: Header;
  try {
    header = JSON.parse(text) as Header;
  } catch (cause) {
    throw new ProxelError(`${path}: expected an atlas header in JSON (${(cause as Error).message})`, { cause });
  }
  checkHeader(header, path);
  const [width, height] = header.tile;
  const { count, channels, files, licence, labels, classes } = header;
  const size = width * height * channels;
  const pending: (Promise<Uint8Array> | undefined)[] = [];
  const ready: Uint8Array[] = [];

  const source: AtlasSource = {
    name: header.name ?? path,
    count,
    width,
    height,
    channels,
    ...(licence !== undefined && { licence }),
    ...(labels && { labels }),
    ...(classes && { classes }),
    tile(i, out) {
      checkTile(source, i, out);
      let file = 0;
      let at = i;
      while (at >= files[file].count) at -= files[file++].count;
      const copy = (tiles: Uint8Array) => out.set(tiles.subarray(at * size, (at + 1) * size));
      const tiles = ready[file];
      if (tiles) return copy(tiles);
      pending[file] ??= decodeTiles(sibling(path, files[file].file), header, files[file].count);
      return pending[file]?.then((decoded) => {
        ready[file] = decoded;
        copy(decoded);
      });
    },
  };
  return source;
}
