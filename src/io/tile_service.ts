// What runs in the worker: it opens sources and gives their tiles. `tiles_apart.ts` is its other end.

import { openTiles, type TileSpec } from "./open_tiles.ts";
import type { TileSource } from "./tiles.ts";

export type TileFacts = Omit<TileSource, "tile">;
export type Ask = { readonly id: number } & (
  | { readonly open: TileSpec }
  | { readonly source: number; readonly tile: number }
);
export type Answer = { readonly id: number } & (
  | { readonly source: number; readonly facts: TileFacts }
  | { readonly bytes: Uint8Array }
  | { readonly error: { readonly name: string; readonly message: string } }
);

/** Answers each question, in whatever order the files allow. */
export function tileService(send: (answer: Answer, moved: ArrayBuffer[]) => void): (ask: Ask) => Promise<void> {
  const sources: TileSource[] = [];
  return async (ask) => {
    const { id } = ask;
    try {
      if ("open" in ask) {
        const { tile, ...facts } = await openTiles(ask.open);
        send({ id, source: sources.push({ ...facts, tile }) - 1, facts }, []);
        return;
      }
      const { width, height, channels, tile } = sources[ask.source] as TileSource;
      const bytes = new Uint8Array(width * height * channels);
      await tile(ask.tile, bytes);
      send({ id, bytes }, [bytes.buffer]);
    } catch (error) {
      const { name, message } = error as Error;
      send({ id, error: { name, message } }, []);
    }
  };
}
