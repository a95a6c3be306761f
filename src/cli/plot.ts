/** What the plots of evaluations and of training share: ticks, axes, and the look of the page around them. */

/** Round numbers in a range: 1, 2 and 5 times powers of ten; more where that is narrow, fewer where it is wide. */
export function logTicks(low: number, high: number): number[] {
  const of = (digits: readonly number[]) => {
    const powers = Array.from({ length: 24 }, (_, i) => i - 12);
    const all = powers.flatMap((e) => digits.map((m) => Number((m * 10 ** e).toPrecision(3))));
    return all.filter((v) => v >= low * 0.999 && v <= high * 1.001);
  };
  const [few, some] = [of([1]), of([1, 2, 5])];
  if (some.length > 7) return few;
  return some.length < 3 ? of([1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9]) : some;
}

/** Round numbers in a range, about five. */
export function linearTicks(low: number, high: number): number[] {
  const rough = (high - low) / 5;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * unit).find((s) => s >= rough) ?? unit;
  const ticks: number[] = [];
  for (let v = Math.ceil(low / step) * step; v <= high + step / 1e6; v += step) ticks.push(Number(v.toFixed(6)));
  return ticks;
}

export const escaped = (text: string): string =>
  text.replace(
    /[&<>"']/g,
    (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" })[c] as string,
  );

/** The drawing and, within it, the margins around what is plotted. */
export interface Box {
  readonly width: number;
  readonly height: number;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}
export interface Axis {
  readonly ticks: readonly number[];
  /** Where a number stands in the drawing. */
  at(value: number): number;
  readonly title: string;
}

/** Grid, ticks and titles of both axes, as SVG. */
export function axes({ width, height, left, right, top, bottom }: Box, x: Axis, y: Axis): string[] {
  const [end, base] = [width - right, height - bottom];
  const n = (v: number) => v.toFixed(1);
  return [
    ...x.ticks.map(
      (t) =>
        `<path class="grid" d="M${n(x.at(t))} ${top}V${base}"/><text x="${n(x.at(t))}" y="${base + 16}" text-anchor="middle">${t}</text>`,
    ),
    ...y.ticks.map(
      (q) =>
        `<path class="grid" d="M${left} ${n(y.at(q))}H${end}"/><text x="${left - 7}" y="${n(y.at(q) + 4)}" text-anchor="end">${q}</text>`,
    ),
    `<path class="axis" d="M${left} ${top}V${base}H${end}"/>`,
    `<text x="${(left + end) / 2}" y="${height - 6}" text-anchor="middle">${x.title}</text>`,
    `<text transform="translate(13 ${(top + base) / 2}) rotate(-90)" text-anchor="middle">${y.title}</text>`,
  ];
}

/** Colours and type, for light and dark. */
export const LOOK = `
:root { color-scheme: light dark; --ink: #1d2230; --pale: #667; --paper: #fbfaf7; --line: #d9d6cf; --mark: #1f6feb; --best: #e6f0e2; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e4e0; --pale: #9a9ca5; --paper: #16181d; --line: #343740; --mark: #6ea8fe; --best: #21361f; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 92rem; font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.15rem; margin: 2.75rem 0 0; }
p { margin: .25rem 0 .9rem; color: var(--pale); max-width: 60rem; }
svg { display: block; width: 100%; max-width: 35rem; margin: 1rem 0; } svg text { font-size: 11px; fill: var(--pale); }
svg path { fill: none; stroke: var(--line); } svg .axis { stroke: var(--pale); }
`;
