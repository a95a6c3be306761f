/** Quality against time as plain SVG: one mark a solver, its name beside it, whiskers for the 95 % interval. */
import type { Cell } from "./eval_summary.ts";
import { axes, escaped, linearTicks, logTicks } from "./plot.ts";

/** How far below the best the axis goes, in dB. */
const DEEPEST = 10;
/** Room that a name takes. */
const LABEL = 90;
const BOX = { width: 560, height: 300, left: 52, right: 92, top: 14, bottom: 40 };

/** Heights for labels at least `apart` from each other, as near as they can be to where they want to stand. */
export function spread(wanted: readonly number[], apart: number, low: number, high: number): number[] {
  const order = wanted.map((_, i) => i).sort((a, b) => (wanted[a] as number) - (wanted[b] as number));
  const placed = [...wanted];
  let free = low;
  for (const i of order) {
    placed[i] = Math.max(placed[i] as number, free);
    free = (placed[i] as number) + apart;
  }
  let least = high;
  for (const i of order.toReversed()) {
    placed[i] = Math.min(placed[i] as number, least);
    least = (placed[i] as number) - apart;
  }
  return placed;
}

/** Indices of points whose labels might touch: no gap of a label's width between them. */
function neighbours(xs: readonly number[]): number[][] {
  const groups: number[][] = [];
  let last = Number.NEGATIVE_INFINITY;
  for (const i of xs.map((_, i) => i).sort((a, b) => (xs[a] as number) - (xs[b] as number))) {
    const x = xs[i] as number;
    if (x - last > LABEL) groups.push([]);
    groups.at(-1)?.push(i);
    last = x;
  }
  return groups;
}

/** PSNR over seconds of one task's cells. Empty where there is nothing to compare. */
export function timePlot(cells: readonly Cell[], title: string): string {
  const points = cells.flatMap(({ solver, figures: { psnr, seconds } }) =>
    psnr && seconds && seconds.mean > 0 ? [{ solver, t: seconds.mean, q: psnr.mean, half: psnr.interval ?? 0 }] : [],
  );
  if (points.length < 2) return "";
  const [t0, t1] = [Math.min(...points.map(({ t }) => t)) / 1.25, Math.max(...points.map(({ t }) => t)) * 1.25];
  const best = Math.max(...points.map(({ q }) => q));
  // one that fails altogether must not flatten the others: it is drawn at the bottom, with its figure
  const [q0, q1] = [Math.max(best - DEEPEST, Math.min(...points.map(({ q }) => q))) - 0.5, best + 0.5];
  const [right, bottom] = [BOX.width - BOX.right, BOX.height - BOX.bottom];
  const x = (t: number) => BOX.left + (Math.log(t / t0) / Math.log(t1 / t0)) * (right - BOX.left);
  const y = (q: number) => bottom - ((q - q0) / (q1 - q0)) * (bottom - BOX.top);
  const n = (v: number) => v.toFixed(1);
  const within = (v: number) => Math.max(BOX.top, Math.min(bottom, v));
  const heights = points.map(({ q }) => within(y(q)));
  for (const group of neighbours(points.map(({ t }) => x(t))))
    spread(
      group.map((i) => heights[i] as number),
      13,
      BOX.top,
      bottom,
    ).forEach((height, k) => {
      heights[group[k] as number] = height;
    });
  const marks = points.map(({ solver, t, q, half }, i) => {
    const [px, py, ly] = [x(t), within(y(q)), heights[i] as number];
    const below = q < q0;
    const whisker =
      half && !below ? `<path class="whisker" d="M${n(px)} ${n(within(y(q + half)))}V${n(within(y(q - half)))}"/>` : "";
    const lead = Math.abs(ly - py) > 3 ? `<path class="lead" d="M${n(px + 4)} ${n(py)}L${n(px + 9)} ${n(ly)}"/>` : "";
    const told = `${solver}: ${q.toFixed(2)} dB in ${t.toPrecision(3)} s`;
    return `<g><title>${escaped(told)}</title>${whisker}${lead}<circle${below ? ' class="below"' : ""} cx="${n(px)}" cy="${n(py)}" r="4"/><text class="name" x="${n(px + 11)}" y="${n(ly + 4)}">${escaped(solver)}${below ? ` (${q.toFixed(1)})` : ""}</text></g>`;
  });
  return [
    `<svg viewBox="0 0 ${BOX.width} ${BOX.height}" role="img" aria-label="${escaped(title)}">`,
    ...axes(
      BOX,
      { ticks: logTicks(t0, t1), at: x, title: "seconds a picture" },
      { ticks: linearTicks(q0, q1), at: y, title: "PSNR (dB)" },
    ),
    ...marks,
    "</svg>",
  ].join("\n");
}
