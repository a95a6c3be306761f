import { openAtlas } from "../io/atlas.ts";
import { deadLeaves } from "../io/dead_leaves.ts";
import { openFolder } from "../io/folder.ts";
import type { Mix } from "../train/data.ts";

/**
 * What `--data` names: `dead-leaves`, an atlas's .json, or a folder of pictures; `:0.4` after it is its weight.
 * Folders are read at half size, which takes a camera's noise and JPEG's artefacts out of them.
 */
export async function openData(
  specs: readonly string[],
  { size, seed }: { size: number; seed: number },
): Promise<Mix[]> {
  return Promise.all(
    specs.map(async (spec) => {
      const [, path, weight] = /^(.*?)(?::([\d.]+))?$/.exec(spec) as RegExpExecArray;
      const name = path as string;
      if (weight !== undefined && !(Number(weight) > 0))
        throw new RangeError(`train: the weight in --data ${spec} must be above 0`);
      const tiles =
        name === "dead-leaves"
          ? deadLeaves({ width: size, height: size, seed })
          : name.endsWith(".json")
            ? await openAtlas(name)
            : await openFolder(name, { size, seed, shrink: 2 });
      return { tiles, weight: Number(weight ?? 1) };
    }),
  );
}
