/** The page of an evaluation: for each task its table, quality against time, and the pictures side by side. */
import { timePlot } from "./eval_plot.ts";
import type { Row } from "./eval_rows.ts";
import { type Cell, figuresOf, isBest, printed } from "./eval_summary.ts";
import { escaped, LOOK } from "./plot.ts";

export interface PageTask {
  name: string;
  about: string;
}

export interface Report {
  title: string;
  /** What holds for all rows, in words. */
  facts: readonly string[];
  tasks: readonly PageTask[];
  solvers: readonly string[];
  pictures: readonly string[];
  cells: readonly Cell[];
  rows: readonly Row[];
  /** Where the pictures of a run lie, from the page. */
  path(picture: string, task: string, what: string): string;
}

const STYLE = `${LOOK}nav { display: flex; flex-wrap: wrap; gap: .3rem 1rem; } a { color: var(--mark); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .8rem .3rem 0; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { font-weight: 600; color: var(--pale); } th:first-child, td:first-child { text-align: left; }
td .interval { color: var(--pale); font-size: .85em; } td.best { font-weight: 650; background: var(--best); }
td.failed { color: #c33; white-space: normal; text-align: left; }
svg .name { fill: var(--ink); paint-order: stroke; stroke: var(--paper); stroke-width: 3px; } svg circle { fill: var(--mark); } svg .below { fill: none; stroke: var(--mark); }
svg .whisker { stroke: var(--mark); stroke-width: 1.5; opacity: .3; } svg .lead { stroke: var(--pale); }
.pictures th { position: sticky; top: 0; background: var(--paper); font-size: .85rem; text-align: left; }
.pictures td { border: 0; padding: 0 .5rem .7rem 0; text-align: left; font-size: .78rem; color: var(--pale); vertical-align: top; }
.pictures td:first-child, .pictures th:first-child { position: sticky; left: 0; background: var(--paper); }
.pictures img { display: block; width: 8rem; height: auto; image-rendering: pixelated; background: var(--line); }
details summary { cursor: pointer; color: var(--pale); margin: .5rem 0; }
`;

/** A page by itself but for the pictures beside it: no script, no address of elsewhere. */
export function page(report: Report): string {
  const { title, facts, tasks } = report;
  const found = tasks.filter(({ name }) => report.cells.some(({ task }) => task === name));
  return [
    '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width">',
    `<title>${escaped(title)}</title>\n<style>${STYLE}</style>`,
    `<h1>${escaped(title)}</h1>`,
    ...facts.map((fact) => `<p>${escaped(fact)}</p>`),
    found.length > 1
      ? `<nav>${found.map(({ name }) => `<a href="#${escaped(name)}">${escaped(name)}</a>`).join("")}</nav>`
      : "",
    ...found.map((task) => section(report, task)),
    "</html>\n",
  ].join("\n");
}

function section(report: Report, { name, about }: PageTask): string {
  const own = report.cells.filter(({ task }) => task === name);
  return [
    `<section id="${escaped(name)}">\n<h2>${escaped(name)}</h2>\n<p>${escaped(about)}.</p>`,
    table(own),
    timePlot(own, `${name}: PSNR against time`),
    gallery(report, name),
    "</section>",
  ].join("\n");
}

function table(cells: readonly Cell[]): string {
  const shown = figuresOf(cells);
  const head = shown.map(({ title, unit }) => `<th>${title}${unit ? ` (${unit})` : ""}</th>`).join("");
  const lines = cells.map((cell) => {
    const figures = shown.map((f) => {
      const [mean, interval] = printed(cell.figures[f.key], f.digits).split(" ± ");
      const more = interval === undefined ? "" : ` <span class="interval">± ${interval}</span>`;
      return `<td${isBest(cell, cells, f) ? ' class="best"' : ""}>${mean}${more}</td>`;
    });
    const failed = cell.failed ? `<td class="failed">${cell.failed} failed: ${escaped(cell.error ?? "")}</td>` : "";
    return `<tr><td>${escaped(cell.solver)}</td>${figures.join("")}<td>${cell.pictures}</td>${failed}</tr>`;
  });
  return `<div class="wide"><table><tr><th>solver</th>${head}<th>pictures</th></tr>\n${lines.join("\n")}</table></div>`;
}

/** Pictures shown at once; the others wait behind a line. */
const OPEN = 6;

function gallery({ pictures, rows, solvers, path }: Report, task: string): string {
  const own = rows.filter((row) => row.task === task && row.error === undefined);
  const columns = solvers.filter((solver) => own.some((row) => row.solver === solver));
  const lines = pictures
    .filter((picture) => own.some((row) => row.picture === picture))
    .map((picture) => {
      const image = (what: string, under: string) =>
        `<td><img loading="lazy" src="${escaped(path(picture, task, what))}" alt="${escaped(`${picture}, ${what}`)}">${escaped(under)}</td>`;
      const cells = columns.map((solver) => {
        const row = own.find((row) => row.picture === picture && row.solver === solver);
        const psnr = row?.psnr === null ? "equal" : `${row?.psnr.toFixed(2)} dB`;
        return row ? image(solver, psnr + (row.lpips === null ? "" : `, LPIPS ${row.lpips.toFixed(3)}`)) : "<td></td>";
      });
      return `<tr>${image("truth", picture)}${image("measured", "")}${cells.join("")}</tr>`;
    });
  if (!lines.length) return "";
  const head = ["truth", "measured", ...columns].map((name) => `<th>${escaped(name)}</th>`).join("");
  const rest = lines.slice(OPEN);
  const block = (body: readonly string[]) =>
    `<div class="wide"><table class="pictures"><tr>${head}</tr>\n${body.join("\n")}</table></div>`;
  const more = rest.length ? `<details><summary>${rest.length} more</summary>${block(rest)}</details>` : "";
  return block(lines.slice(0, OPEN)) + more;
}
