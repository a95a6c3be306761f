/** The journal of an evaluation: one line for each run, added when it is done, so that nothing done is done twice. */
import { appendFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeBytes } from "#platform";
import { ProxelError } from "../errors.ts";

/** One solver on one measurement. Where the solver failed, `error` says how, and no figure counts. */
export interface Row {
  picture: string;
  task: string;
  solver: string;
  width: number;
  height: number;
  steps: number;
  /** Of pictures held in [-1, 1], range 2; null: infinite. */
  psnr: number | null;
  /** "gaussian"; null for pictures below 11 x 11. */
  ssim: number | null;
  lpips: number | null;
  /** Mean |y - A(x)|^2 in signed units, and that over sigmaNoise^2; null without noise. */
  residual: number;
  chi2: number | null;
  seconds: number;
  nfe: number;
  nbe: number;
  peakBytes: number;
  error?: string;
}

/** What all rows of a journal share: other settings would make them differ for no reason of the solvers'. */
export type Settings = Readonly<Record<string, string | number | null>>;

export interface Journal {
  /** All rows, those of earlier runs too. */
  readonly rows: Row[];
  readonly settings: Settings;
  has(key: Pick<Row, "picture" | "task" | "solver">): boolean;
  add(row: Row): Promise<void>;
}

const keyOf = ({ picture, task, solver }: Pick<Row, "picture" | "task" | "solver">): string =>
  JSON.stringify([picture, task, solver]);

/** Opens OUT/rows.jsonl. A last line that was cut short is dropped; rows of other settings are refused. */
export async function openJournal(folder: string, settings: Settings): Promise<Journal> {
  const path = join(folder, "rows.jsonl");
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  const lines = text.split("\n").flatMap((line) => {
    try {
      const value = JSON.parse(line);
      return typeof value === "object" && value !== null ? [value as Record<string, unknown>] : [];
    } catch {
      return []; // empty, or cut short
    }
  });
  const before = lines.find((line) => "settings" in line)?.settings as Settings | undefined;
  if (before && lines.length > 1)
    for (const [name, value] of Object.entries(settings))
      if (before[name] !== value)
        throw new ProxelError(
          `${path}: its rows were made with ${name} ${before[name]}, not ${value}; give the same again, or another folder`,
        );
  if (!before && lines.length) throw new ProxelError(`${path}: this is no journal of eval; give another folder`);
  const rows: Row[] = [];
  const known = new Set<string>();
  for (const line of lines as unknown as Row[]) {
    if (typeof line.picture !== "string" || known.has(keyOf(line))) continue;
    rows.push(line);
    known.add(keyOf(line));
  }
  const whole = [{ settings }, ...rows].map((line) => `${JSON.stringify(line)}\n`).join("");
  if (whole !== text) await writeBytes(path, new TextEncoder().encode(whole));
  return {
    rows,
    settings,
    has: (key) => known.has(keyOf(key)),
    async add(row) {
      await appendFile(path, `${JSON.stringify(row)}\n`);
      rows.push(row);
      known.add(keyOf(row));
    },
  };
}
