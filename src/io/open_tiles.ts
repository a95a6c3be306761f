import { openAtlas } from "./atlas.ts";
import { type DeadLeavesOptions, deadLeaves } from "./dead_leaves.ts";
import { type FolderOptions, openFolder } from "./folder.ts";
import type { TileSource } from "./tiles.ts";

/** Where tiles come from, in words that can be sent to a worker. */
export type TileSpec =
  | { readonly kind: "dead-leaves"; readonly options: DeadLeavesOptions }
  | { readonly kind: "atlas"; readonly path: string }
  | { readonly kind: "folder"; readonly path: string; readonly options: FolderOptions };

export async function openTiles(spec: TileSpec): Promise<TileSource> {
  if (spec.kind === "dead-leaves") return deadLeaves(spec.options);
  return spec.kind === "atlas" ? openAtlas(spec.path) : openFolder(spec.path, spec.options);
}
