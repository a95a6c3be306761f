import { join } from "node:path";
import { rng } from "../../kernels/random.ts";
import { contactSheet } from "../io/contact_sheet.ts";
import { writePicture } from "../io/picture.ts";
import { dispose } from "../tensor/scope.ts";
import { averaged, type Training } from "../train/trainer.ts";

/** A stream that no step has. */
const STREAM = 2 ** 40;

/** Writes sheet-000200.png, with what the recipe shows of itself. Each sheet of a run draws the same. */
export async function writeSheet(folder: string, run: Training): Promise<void> {
  if (!run.recipe.sheet) return;
  const { params, learned } = averaged(run);
  try {
    const { step, judge } = run;
    const at = { step, random: rng(run.seed).fork(STREAM), scalars: run.scalars.ema };
    const rows = await run.recipe.sheet(params, { ...at, ...(judge && { judge: judge.ema.tree }) });
    const sheet = contactSheet([...rows], { title: `${run.recipe.name}, step ${step}`, tile: 96 });
    await writePicture(join(folder, `sheet-${String(step).padStart(6, "0")}.png`), sheet, { force: true });
  } finally {
    dispose(learned);
  }
}
