import { appendFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeBytes } from "#platform";
import type { Report } from "../train/trainer.ts";
import { lossPage } from "./train_plot.ts";

export type Line = Report & { readonly seconds: number; readonly adapter: string };

export interface Log {
  /** Appends a line; draws the plot anew, if that was not just done. */
  add(line: Line): Promise<void>;
  /** Draws the plot anew. */
  plot(): Promise<void>;
}

/** Milliseconds between two drawings of the plot. */
const APART = 3000;

/** log.jsonl and loss.html of a run. Lines after `step`, which a killed run may have left, go. */
export async function openLog(folder: string, step: number, title: string): Promise<Log> {
  const [path, page] = [join(folder, "log.jsonl"), join(folder, "loss.html")];
  const text = await readFile(path, "utf8").catch(() => "");
  const lines = text.split("\n").flatMap((line): Line[] => {
    try {
      const read = JSON.parse(line) as Line;
      return read.step <= step ? [read] : [];
    } catch {
      return []; // empty, or cut short
    }
  });
  const bytes = (s: string) => new TextEncoder().encode(s);
  if (text) await writeBytes(path, bytes(lines.map((line) => `${JSON.stringify(line)}\n`).join("")));
  let drawn = Number.NEGATIVE_INFINITY;
  const plot = async () => {
    drawn = performance.now();
    await writeBytes(page, bytes(lossPage(title, lines)));
  };
  return {
    plot,
    async add(line) {
      lines.push(line);
      await appendFile(path, `${JSON.stringify(line)}\n`);
      if (performance.now() - drawn > APART) await plot();
    },
  };
}
