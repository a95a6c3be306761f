/** Quality against time as plain SVG: one mark a solver, its name beside it, whiskers for the 95 % interval. */
import type { Cell } from "./eval_summary.ts";

const [WIDTH, HEIGHT] = [560, 300];
/** How far below the best the axis goes, in dB. */
const DEEPEST = 10;
/** Room that a name takes. */
const LABEL = 90;
const BOX = { left: 52, right: 92, top: 14, bottom: 40 };

/** Round numbers in a range: 1, 2 and 5 times powers of ten; more where that is narrow, fewer where it is wide. */
function logTicks(low: number, high: number): number[] {
  const of = (digits: readonly number[]) => {
    const powers = Array.from({ length: 24 }, (_, i) => i - 12);
    const all = powers.flatMap((e) => digits.map((m) => Number((m * 10 ** e).toPrecision(3))));
    return all.filter((v) => v >= low * 0.999 && v <= high * 1.001);
  };
  const [few, some] = [of([1]), of([1, 2, 5])];
  if (some.length > 7) return few;
  return some.length < 3 ? of([1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9]) : some;
}

function linearTicks(low: number, high: number): number[] {
  const rough = (high - low) / 5;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * unit).find((s) => s >= rough) ?? unit;
  const ticks: number[] = [];
  for (let v = Math.ceil(low / step) * step; v <= high + step / 1e6; v += step) ticks.push(Number(v.toFixed(6)));
  return ticks;
}

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

export const escaped = (text: string): string =>
  text.replace(
    /[&<>"']/g,
    (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" })[c] as string,
  );

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
  const [right, bottom] = [WIDTH - BOX.right, HEIGHT - BOX.bottom];
  const x = (t: number) => BOX.left + (Math.log(t / t0) / Math.log(t1 / t0)) * (right - BOX.left);
  const y = (q: number) => bottom - ((q - q0) / (q1 - q0)) * (bottom - BOX.top);
  const n = (v: number) => v.toFixed(1);
  const within = (v: number) => Math.max(BOX.top, Math.min(bottom, v));
  const grid = [
    ...logTicks(t0, t1).map(
      (t) =>
        `<path class="grid" d="M${n(x(t))} ${BOX.top}V${bottom}"/><text x="${n(x(t))}" y="${bottom + 16}" text-anchor="middle">${t}</text>`,
    ),
    ...linearTicks(q0, q1).map(
      (q) =>
        `<path class="grid" d="M${BOX.left} ${n(y(q))}H${right}"/><text x="${BOX.left - 7}" y="${n(y(q) + 4)}" text-anchor="end">${q}</text>`,
    ),
  ];
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
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escaped(title)}">`,
    ...grid,
    `<path class="axis" d="M${BOX.left} ${BOX.top}V${bottom}H${right}"/>`,
    `<text x="${(BOX.left + right) / 2}" y="${HEIGHT - 6}" text-anchor="middle">seconds a picture</text>`,
    `<text transform="translate(13 ${(BOX.top + bottom) / 2}) rotate(-90)" text-anchor="middle">PSNR (dB)</text>`,
    ...marks,
    "</svg>",
  ].join("\n");
}
