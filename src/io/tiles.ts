// Where training pictures come from: equal tiles of bytes, addressed by number. Tile i of a source is always the same.

export interface TileSource {
  name: string;
  count: number;
  width: number;
  height: number;
  channels: 1 | 3;
  /** As stated where the pictures came from; goes into the model card. */
  licence?: string;
  /** Writes tile i, [h, w, c] bytes, into `out`; waits only when a file has to be decoded first. */
  tile(i: number, out: Uint8Array): void | Promise<void>;
}

/** Throws unless i and out fit the source. */
export function checkTile(
  { name, count, width, height, channels }: Omit<TileSource, "tile">,
  i: number,
  out: Uint8Array,
): void {
  if (!Number.isInteger(i) || i < 0 || i >= count)
    throw new RangeError(`${name}: tile ${i} is not one of 0..${count - 1}`);
  const size = width * height * channels;
  if (out.length !== size)
    throw new RangeError(
      `${name}: a tile of ${width}x${height}x${channels} expects ${size} bytes, got room for ${out.length}`,
    );
}
