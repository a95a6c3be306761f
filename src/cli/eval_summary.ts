/** From rows to a table: means with 95 % intervals, of each solver on each task. */
import type { Row } from "./eval_rows.ts";

export interface Estimate {
  mean: number;
  /** Half the width of Student's 95 % interval for the mean; null for a single number. */
  interval: number | null;
}

/** The figures of a table, which way is better, and how they are printed. */
export const FIGURES = [
  { key: "psnr", title: "PSNR", unit: "dB", best: "high", digits: 2 },
  { key: "ssim", title: "SSIM", unit: "", best: "high", digits: 3 },
  { key: "lpips", title: "LPIPS", unit: "", best: "low", digits: 3 },
  { key: "residual", title: "residual", unit: "", best: undefined, digits: 5 },
  { key: "chi2", title: "χ²/m", unit: "", best: undefined, digits: 2 },
  { key: "seconds", title: "time", unit: "s", best: undefined, digits: 2 },
  { key: "nfe", title: "calls", unit: "", best: undefined, digits: 0 },
  { key: "peak", title: "memory", unit: "MiB", best: undefined, digits: 0 },
] as const;
export type Figure = (typeof FIGURES)[number]["key"];

export interface Cell {
  task: string;
  solver: string;
  pictures: number;
  failed: number;
  /** How the first failed. */
  error?: string;
  figures: Record<Figure, Estimate | null>;
}

// quantiles .975 of Student's t for 1 to 30 degrees of freedom
const T = [
  ...[12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131],
  ...[2.12, 2.11, 2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042],
];
/** Beyond the table the first terms of its expansion in 1/degrees. */
export const quantile = (degrees: number): number =>
  T[degrees - 1] ?? 1.959964 + 2.3722 / degrees + 2.82 / degrees ** 2;

/** Of numbers; those that are null are left out. */
export function estimate(values: readonly (number | null)[]): Estimate | null {
  const known = values.filter((v): v is number => v !== null && Number.isFinite(v));
  const n = known.length;
  if (!n) return null;
  const mean = known.reduce((a, b) => a + b, 0) / n;
  if (n === 1) return { mean, interval: null };
  const variance = known.reduce((s, v) => s + (v - mean) ** 2, 0) / (n - 1);
  return { mean, interval: quantile(n - 1) * Math.sqrt(variance / n) };
}

const figure = (row: Row, key: Figure): number | null => (key === "peak" ? row.peakBytes / 2 ** 20 : row[key]);

/** One cell for each task and solver that has rows. */
export function summarise(rows: readonly Row[], tasks: readonly string[], solvers: readonly string[]): Cell[] {
  return tasks.flatMap((task) =>
    solvers.flatMap((solver) => {
      const all = rows.filter((row) => row.task === task && row.solver === solver);
      if (!all.length) return [];
      const good = all.filter((row) => row.error === undefined);
      const error = all.find((row) => row.error !== undefined)?.error;
      return [
        {
          task,
          solver,
          pictures: good.length,
          failed: all.length - good.length,
          ...(error !== undefined && { error }),
          figures: Object.fromEntries(
            FIGURES.map(({ key }) => [key, estimate(good.map((row) => figure(row, key)))]),
          ) as Cell["figures"],
        },
      ];
    }),
  );
}

/** Figures that some cell has. */
export const figuresOf = (cells: readonly Cell[]) =>
  FIGURES.filter(({ key }) => cells.some(({ figures }) => figures[key] !== null));

/** "27.31 ± 0.42" */
export function printed(value: Estimate | null, digits: number): string {
  if (!value) return "–";
  const { mean, interval } = value;
  const exact = interval !== null && interval < 0.5 * 10 ** -digits;
  return mean.toFixed(digits) + (interval === null || exact ? "" : ` ± ${interval.toFixed(digits)}`);
}

/** Whether this cell has the best mean of its task in this figure, among those that have all of its pictures. */
export function isBest(cell: Cell, cells: readonly Cell[], { key, best }: (typeof FIGURES)[number]): boolean {
  const mine = cell.figures[key]?.mean;
  if (best === undefined || mine === undefined) return false;
  const sign = best === "high" ? 1 : -1;
  const all = cells.filter(({ task }) => task === cell.task);
  const most = Math.max(...all.map(({ pictures }) => pictures));
  const rivals = all.filter(({ pictures }) => pictures === most);
  if (cell.pictures < most) return false;
  return (
    all.length > 1 && rivals.every(({ figures }) => sign * (figures[key]?.mean ?? -sign * Infinity) <= sign * mine)
  );
}

/** GitHub's tables, one a task. */
export function markdown(
  cells: readonly Cell[],
  heads: readonly { name: string; about: string }[],
  foot: string,
): string {
  const shown = figuresOf(cells);
  const tables = heads.flatMap(({ name, about }) => {
    const own = cells.filter(({ task }) => task === name);
    if (!own.length) return [];
    const head = ["solver", ...shown.map(({ title, unit }) => (unit ? `${title} (${unit})` : title)), "pictures"];
    const lines = own.map((cell) => [
      cell.solver,
      ...shown.map((f) => {
        const text = printed(cell.figures[f.key], f.digits);
        return isBest(cell, cells, f) ? `**${text}**` : text;
      }),
      `${cell.pictures}${cell.failed ? `, ${cell.failed} failed: ${cell.error?.replaceAll("|", "\\|")}` : ""}`,
    ]);
    const row = (cols: readonly string[]) => `| ${cols.join(" | ")} |`;
    return [`## ${name}`, "", `${about}.`, "", row(head), row(head.map(() => "---")), ...lines.map(row), ""];
  });
  return `${["# Evaluation", "", ...tables, foot].join("\n")}\n`;
}
