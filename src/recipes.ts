/**
 * Methods of training by name. To add one: write `src/recipes_NAME.ts` with a `method({...})` as recipes_edm.ts does
 * (settings are a table of defaults, from which the command line makes options and help; `make` gives the recipe of
 * src/train and the files of its result), and put its line here. `proxel train NAME` then runs it.
 */
import { consistency } from "./recipes_consistency.ts";
import { cedm, diffUnfolding } from "./recipes_diff_unfolding.ts";
import { edm } from "./recipes_edm.ts";
import { cosign, i2sb } from "./recipes_guided.ts";
import { lora } from "./recipes_lora.ts";
import { diffUnfoldingMri, ssdiffrecon, varnet } from "./recipes_mri.ts";
import { dsm, mupet } from "./recipes_mupet.ts";
import type { Method } from "./recipes_shared.ts";
import { ud2m } from "./recipes_ud2m.ts";

export const METHODS: Readonly<Record<string, Method>> = {
  cedm,
  consistency,
  cosign,
  "diff-unfolding": diffUnfolding,
  "diff-unfolding-mri": diffUnfoldingMri,
  dsm,
  edm,
  i2sb,
  lora,
  mupet,
  ssdiffrecon,
  ud2m,
  varnet,
};
