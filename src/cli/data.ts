import type { TileSpec } from "../io/open_tiles.ts";
import type { TileSource } from "../io/tiles.ts";
import { openTilesApart } from "../io/tiles_apart.ts";
import type { Mix } from "../train/data.ts";

/**
 * What `--data` names: `dead-leaves`, an atlas's .json, or a folder of pictures; `:0.4` after it is its weight.
 * Folders are read at half size, which takes a camera's noise and JPEG's artefacts out of them.
 * Read on another thread while the GPU works, where there is one.
 */
export async function openData(
  specs: readonly string[],
  { size, seed }: { size: number; seed: number },
): Promise<Mix[]> {
  const named = specs.map((spec) => {
    const [, name = "", weight] = /^(.*?)(?::([\d.]+))?$/.exec(spec) as RegExpExecArray;
    if (weight !== undefined && !(Number(weight) > 0))
      throw new RangeError(`train: the weight in --data ${spec} must be above 0`);
    return { name, weight: Number(weight ?? 1) };
  });
  const { sources, reason } = await openTilesApart(named.map(({ name }) => specOf(name, size, seed)));
  if (reason) console.error(`train: pictures are read on the main thread (${reason})`);
  return named.map(({ weight }, i) => ({ tiles: sources[i] as TileSource, weight }));
}

function specOf(path: string, size: number, seed: number): TileSpec {
  if (path === "dead-leaves") return { kind: "dead-leaves", options: { width: size, height: size, seed } };
  if (path.endsWith(".json")) return { kind: "atlas", path };
  return { kind: "folder", path, options: { size, seed, shrink: 2 } };
}
