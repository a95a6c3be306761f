/** Two methods on the same pictures: their mean difference, its 95 % interval, and what may be said. */

export type Verdict = "better" | "worse" | "unresolved";
export interface Paired {
  /** Pairs. */
  readonly n: number;
  readonly a: number;
  readonly b: number;
  /** Mean of a - b over the pairs, and the interval that holds the true mean with a probability of 95 %. */
  readonly difference: number;
  readonly low: number;
  readonly high: number;
  /** Of a, against b. */
  readonly verdict: Verdict;
}

/** A row of a table: what was measured, of which two. */
export interface Comparison extends Paired {
  readonly task: string;
  readonly metric: string;
  readonly names: readonly [a: string, b: string];
}

/** The 97.5 % point of Student's t [Abramowitz & Stegun 26.7.5]: within 1 % from 3 degrees of freedom on. */
export function studentT(freedom: number): number {
  const z = 1.959963984540054;
  const terms = [
    (z ** 3 + z) / 4,
    (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96,
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384,
    (79 * z ** 9 + 776 * z ** 7 + 1482 * z ** 5 - 1920 * z ** 3 - 945 * z) / 92160,
  ];
  return terms.reduce((t, term, k) => t + term / freedom ** (k + 1), z);
}

const mean = (x: readonly number[]): number => x.reduce((sum, v) => sum + v, 0) / x.length;

/** Figures of a and of b, picture by picture. `lower`: less is better, as of errors. */
export function paired(a: readonly number[], b: readonly number[], { lower = false } = {}): Paired {
  const n = a.length;
  if (n !== b.length || n < 2)
    throw new RangeError(`paired: expects 2 pairs or more, got ${n} and ${b.length} figures`);
  const d = a.map((v, i) => v - (b[i] as number));
  const difference = mean(d);
  const error = Math.sqrt(d.reduce((sum, v) => sum + (v - difference) ** 2, 0) / (n - 1) / n);
  const [low, high] = [difference - studentT(n - 1) * error, difference + studentT(n - 1) * error];
  if (!Number.isFinite(error)) throw new RangeError("paired: a figure is not finite");
  const sure = low > 0 ? 1 : high < 0 ? -1 : 0;
  const verdict = sure === 0 ? "unresolved" : sure > 0 === !lower ? "better" : "worse";
  return { n, a: mean(a), b: mean(b), difference, low, high, verdict };
}

/** Digits that a metric is told with. */
const digits = (metric: string): number => (/dB/.test(metric) ? 2 : 4);
const signed = (v: number, d: number): string => `${v < 0 ? "-" : "+"}${Math.abs(v).toFixed(d)}`;

/** The comparisons as a table in Markdown. */
export function table(rows: readonly Comparison[]): string {
  const lines = rows.map(({ task, metric, names: [one, two], n, a, b, difference, low, high, verdict }) => {
    const d = digits(metric);
    return `| ${task} | ${metric} | ${one} ${a.toFixed(d)} | ${two} ${b.toFixed(d)} | ${signed(difference, d)} [${signed(low, d)}, ${signed(high, d)}] | ${n} | ${verdict} |`;
  });
  return [
    "| task | metric | | against | difference [95 %] | pictures | verdict |",
    "|---|---|---|---|---|---|---|",
    ...lines,
  ].join("\n");
}
