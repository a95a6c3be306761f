/** A run's loss over its steps as a page by itself, drawn anew as it goes on. */
import { axes, escaped, LOOK, linearTicks, logTicks } from "./plot.ts";
import { clock } from "./progress.ts";
import type { Line } from "./train_log.ts";

const BOX = { width: 760, height: 340, left: 62, right: 70, top: 14, bottom: 40 };
/** Points of a curve at most: more than there are pixels shows nothing. */
const MOST = 1500;

type Point = readonly [step: number, loss: number];

/** Means of runs of neighbours, so that there are at most `most`. */
function thinned(points: readonly Point[], most: number): Point[] {
  const run = Math.ceil(points.length / most);
  const mean = (of: readonly Point[], i: 0 | 1) => of.reduce((sum, p) => sum + p[i], 0) / of.length;
  return Array.from({ length: Math.ceil(points.length / run) }, (_, k) => {
    const some = points.slice(k * run, (k + 1) * run);
    return [mean(some, 0), mean(some, 1)] as const;
  });
}

/** A mean that forgets, over about a fortieth of what there is. */
function smooth(points: readonly Point[]): Point[] {
  const keep = 1 - 1 / Math.max(1, points.length / 40);
  let [sum, weight] = [0, 0];
  return points.map(([step, loss]) => {
    [sum, weight] = [keep * sum + loss, keep * weight + 1];
    return [step, sum / weight] as const;
  });
}

function plot(curves: readonly { name: string; points: readonly Point[] }[], steps: number): string {
  const all = curves.flatMap(({ points }) => points.map(([, loss]) => loss));
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const wide = low > 0 && high > 2 * low;
  const room = (high - low) / 20 || Math.abs(high) / 20 || 1;
  const [y0, y1] = wide ? [low / 1.1, high * 1.1] : [low - room, high + room];
  const [right, bottom] = [BOX.width - BOX.right, BOX.height - BOX.bottom];
  const at = wide ? Math.log : (v: number) => v;
  const x = (step: number) => BOX.left + (step / steps) * (right - BOX.left);
  const y = (loss: number) => bottom - ((at(loss) - at(y0)) / (at(y1) - at(y0))) * (bottom - BOX.top);
  const path = (points: readonly Point[], of: string) =>
    `<path class="${of}" d="M${points.map(([step, loss]) => `${x(step).toFixed(1)} ${y(loss).toFixed(1)}`).join("L")}"/>`;
  const drawn = curves.flatMap(({ name, points }, i) => {
    const soft = smooth(points);
    const [step, loss] = soft.at(-1) as Point;
    const text = `<text class="name" x="${(x(step) + 6).toFixed(1)}" y="${(y(loss) + 4).toFixed(1)}">${escaped(name)}</text>`;
    return [path(points, `raw c${i}`), path(soft, `soft c${i}`), text];
  });
  return [
    `<svg viewBox="0 0 ${BOX.width} ${BOX.height}" role="img" aria-label="loss over steps">`,
    ...axes(
      BOX,
      { ticks: linearTicks(0, steps), at: x, title: "steps" },
      { ticks: (wide ? logTicks : linearTicks)(y0, y1), at: y, title: "loss" },
    ),
    ...drawn,
    "</svg>",
  ].join("\n");
}

const STYLE = `${LOOK}svg { max-width: 48rem; } svg .raw { stroke: var(--mark); opacity: .3; } svg .soft { stroke: var(--mark); stroke-width: 1.8; } svg .c1 { stroke: #b8860b; }
svg .name { fill: var(--ink); }
`;

/** No script and no address of elsewhere; it asks the browser to load it again while the run goes on. */
export function lossPage(title: string, lines: readonly Line[]): string {
  const points = (key: "loss" | "judgeLoss") =>
    lines.flatMap((line): Point[] => (Number.isFinite(line[key]) ? [[line.step, line[key] as number]] : []));
  const judge = points("judgeLoss");
  const curves = [
    { name: judge.length ? "recipe" : "", points: points("loss") },
    { name: "judge", points: judge },
  ]
    .filter(({ points }) => points.length)
    .map(({ name, points }) => ({ name, points: thinned(points, MOST) }));
  const last = lines.at(-1);
  const going = last !== undefined && last.step < last.steps;
  const fact = last
    ? `Step ${last.step} of ${last.steps}: loss ${last.loss.toPrecision(4)}, learning rate ${last.lr.toPrecision(3)}, ${last.secondsPerStep.toPrecision(3)} s a step, ${clock(last.seconds)} so far, on ${last.adapter}.`
    : "No step has been reported yet.";
  const numbers = Object.entries(last?.scalars ?? {}).map(([name, value]) => `${name} ${value.toPrecision(4)}`);
  return [
    '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width">',
    going ? '<meta http-equiv="refresh" content="10">' : "",
    `<title>${escaped(title)}</title>\n<style>${STYLE}</style>`,
    `<h1>${escaped(title)}</h1>\n<p>${escaped(fact)}</p>`,
    numbers.length ? `<p>${escaped(numbers.join(", "))}</p>` : "",
    curves.length ? plot(curves, (last as Line).steps) : "",
    "</html>\n",
  ].join("\n");
}
