/** What an evaluation leaves beside its rows: results.json, table.md and index.html. */
import { join } from "node:path";
import { writeBytes } from "#platform";
import { type EvalTask, evalTask } from "../eval_tasks.ts";
import { gpu } from "../gpu/open.ts";
import { page } from "./eval_page.ts";
import type { Journal } from "./eval_rows.ts";
import { type Cell, markdown, summarise } from "./eval_summary.ts";

/** Where the picture lies that a run, or the measurement, left: relative to the folder. */
export const pathOf = (picture: string, task: string, what: string): string =>
  `pictures/${picture.replace(/[^\w-]/g, "_")}/${task}.${what.replace(/\W/g, "-")}.png`;

export interface Results {
  settings: Journal["settings"];
  adapter: string;
  cells: readonly Cell[];
}

/** Everything in the journal, what was asked for now first. */
export async function report(
  out: string,
  { rows, settings }: Journal,
  pairs: readonly { task: EvalTask; label: string }[],
): Promise<Results> {
  const names = [...new Set([...pairs.map(({ task }) => task.name), ...rows.map(({ task }) => task)])];
  const solvers = [...new Set([...pairs.map(({ label }) => label), ...rows.map(({ solver }) => solver)])];
  const pictures = [...new Set(rows.map(({ picture }) => picture))].sort();
  const side = Math.min(...rows.map(({ width, height }) => Math.min(width, height)), 4096);
  const tasks = names.map((name) => ({ name, about: evalTask(name)?.about(side) ?? name }));
  const cells = summarise(rows, names, solvers);
  const { adapter } = gpu();
  const facts = [
    `${pictures.length} ${pictures.length === 1 ? "picture" : "pictures"}, noise of ${settings.noise} (black is 0, white 1), prior ${settings.prior}, seed ${settings.seed}; each solver saw the same measurements. Means with 95 % intervals of the mean.`,
    `PSNR and SSIM (Gaussian windows) of pictures held in their range; residual: mean |y − A(x)|² with pictures in [−1, 1]; χ²/m: that over the noise's, 1 where the fit is right. Calls of the network; ${adapter}, one picture at a time, without loading and compiling; memory on the adapter. Proxel ${settings.version}.`,
  ];
  const results: Results = { settings, adapter, cells };
  const write = (name: string, text: string) => writeBytes(join(out, name), new TextEncoder().encode(text));
  await write("results.json", `${JSON.stringify({ ...results, rows }, null, 1)}\n`);
  await write("table.md", markdown(cells, tasks, facts.join("\n\n")));
  await write("index.html", page({ title: "Evaluation", facts, tasks, solvers, pictures, cells, rows, path: pathOf }));
  return results;
}
