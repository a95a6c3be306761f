/**
 * Noise levels, in float64 on the host. A grid of N levels is [s_0 >= s_1 >= ... >= s_(N-1), 0]: N steps of a solver.
 * Levels are those of x = picture + s noise ("variance exploding"); a variance-preserving x_t is sqrt(alphaBar_t) times
 * such an x, at level sqrt(1 - alphaBar_t)/sqrt(alphaBar_t), so that one form of each solver serves both.
 */
export interface Range {
  readonly sigmaMin: number;
  readonly sigmaMax: number;
}
/** A grid, or a rule that makes one for a number of steps and the levels a denoiser knows. */
export type Levels = readonly number[] | ((steps: number, range: Range) => readonly number[]);

/** The grid's levels with the final 0, checked. */
export function grid(levels: Levels, steps: number, range: Range): readonly number[] {
  const made = typeof levels === "function" ? levels(steps, range) : levels;
  const full = made.at(-1) === 0 ? made : [...made, 0];
  const odd = full.findIndex((s, i) => !Number.isFinite(s) || (i > 0 && s > (full[i - 1] as number)));
  if (full.length < 2 || odd >= 0)
    throw new RangeError(
      `noise levels must not rise: level ${odd} of ${full.length} is ${full[odd]}, after ${full[odd - 1]}`,
    );
  return full;
}

/** n numbers from f(0) to f(1), evenly spaced in between. */
const between = (n: number, f: (u: number) => number): number[] => {
  if (!Number.isInteger(n) || n < 1) throw new RangeError(`a noise grid has 1 step or more, got ${n}`);
  return Array.from({ length: n }, (_, i) => f(n === 1 ? 0 : i / (n - 1)));
};

/** Evenly spaced in sigma^(1/rho) [Karras 2022, eq. 5]. */
export function karras(steps: number, { sigmaMin, sigmaMax }: Range, rho = 7): number[] {
  const [a, b] = [sigmaMax ** (1 / rho), sigmaMin ** (1 / rho)];
  return [...between(steps, (u) => (u === 1 ? sigmaMin : (a + u * (b - a)) ** rho)), 0];
}

/** Evenly spaced in log sigma [Song 2021]: the variance-exploding grid. */
export const geometric = (steps: number, { sigmaMin, sigmaMax }: Range): number[] => [
  ...between(steps, (u) => sigmaMax * (sigmaMin / sigmaMax) ** u),
  0,
];

const BETA = { beta: 19.9, betaMin: 0.1 };
/** sigma(t) of the continuous variance-preserving process, t in [0, 1]. */
export const vpSigma = (t: number, { beta, betaMin } = BETA): number =>
  Math.sqrt(Math.expm1(0.5 * beta * t * t + betaMin * t));
/** The t whose level is sigma. */
export const vpTime = (sigma: number, { beta, betaMin } = BETA): number =>
  (Math.sqrt(betaMin ** 2 + 2 * beta * Math.log1p(sigma ** 2)) - betaMin) / beta;

/** Evenly spaced in the time of the continuous variance-preserving process, from 1 (or sigmaMax) down to 1e-3. */
export function vpLevels(steps: number, { sigmaMax, sigmaMin }: Range): number[] {
  const [first, last] = [Math.min(1, vpTime(sigmaMax)), Math.max(1e-3, vpTime(sigmaMin))];
  return [...between(steps, (u) => vpSigma(first + u * (last - first))), 0];
}

/** u_0 > ... > u_M = 0: the levels of improved DDPM's cosine schedule [Karras 2022, table 1]. */
export function iddpmTable({ steps = 1000, c1 = 0.001, c2 = 0.008 } = {}): Float64Array {
  const alphaBar = (j: number) => Math.sin((0.5 * Math.PI * j) / steps / (c2 + 1)) ** 2;
  const u = new Float64Array(steps + 1);
  for (let j = steps; j > 0; j--)
    u[j - 1] = Math.sqrt(((u[j] as number) ** 2 + 1) / Math.max(alphaBar(j - 1) / alphaBar(j), c1) - 1);
  return u;
}

/** Entries of the table inside the range, evenly spaced in their index. */
export function iddpmLevels(steps: number, { sigmaMin, sigmaMax }: Range): number[] {
  const u = iddpmTable().filter((s) => s >= sigmaMin && s <= sigmaMax);
  if (steps > u.length)
    throw new RangeError(`iddpmLevels: ${u.length} levels lie in the range, ${steps} were asked for`);
  return [...between(steps, (t) => u[Math.round((u.length - 1) * t)] as number), 0];
}

export interface DdpmTable {
  readonly beta: Float64Array;
  readonly alphaBar: Float64Array;
  /** sqrt(1 - alphaBar)/sqrt(alphaBar): the level of step t. */
  readonly sigma: Float64Array;
}

/** The discrete variance-preserving process [Ho 2020]: beta rises linearly; its ends scale as 1000/steps. */
export function ddpmTable({ steps = 1000, first = 1e-4, last = 2e-2 } = {}): DdpmTable {
  const k = 1000 / steps;
  const beta = Float64Array.from(between(steps, (u) => k * (first + u * (last - first))));
  let product = 1;
  const alphaBar = beta.map((b) => (product *= 1 - b));
  return { beta, alphaBar, sigma: alphaBar.map((a) => Math.sqrt((1 - a) / a)) };
}

/** How many steps of a table, from 0 on, lie at levels that the denoiser knows. */
const usable = ({ sigma }: DdpmTable, { sigmaMax }: Range): number => {
  const beyond = sigma.findIndex((s) => s > sigmaMax * (1 + 1e-6));
  if (beyond === 0) throw new RangeError(`ddpm levels begin at ${sigma[0]}, above sigmaMax ${sigmaMax}`);
  return beyond < 0 ? sigma.length : beyond;
};

/** Times 0 <= t < T, falling, each T // steps apart, the last 0 (DDRM, DDS, DDIM). */
export function uniformTimes(steps: number, T = 1000): number[] {
  const stride = Math.floor(T / steps);
  if (!(stride >= 1)) throw new RangeError(`uniformTimes: ${steps} steps of ${T}`);
  return Array.from({ length: steps }, (_, i) => (steps - 1 - i) * stride);
}

/** T - 1 - floor(T sqrt(i/(N-1))), dense where the noise is small; the last is 0 (DiffPIR's "quad"). */
export const quadTimes = (steps: number, T = 1000): number[] =>
  between(steps, (u) => u).map((u) => T - 1 - (u === 1 ? T - 1 : Math.floor(T * Math.sqrt(u))));

/** Squares of evenly spaced numbers up to sqrt(T), the largest less 1 (UD2M). */
export const squareTimes = (steps: number, T = 1000): number[] =>
  Array.from({ length: steps }, (_, i) => {
    const root = Math.floor(((steps - i) / steps) ** 2 * T + 1e-9);
    return i === 0 ? root - 1 : root;
  });

/** The level at a time between two of the table's, in the logarithm. */
function levelBetween({ sigma }: DdpmTable, t: number): number {
  const [below, part] = [Math.floor(t), t % 1];
  const [low, high] = [sigma[below], sigma[below + 1]] as [number, number];
  return part ? low ** (1 - part) * high ** part : low;
}

/**
 * A grid through the discrete process: its levels at these times, of the T' that the denoiser knows. For a denoiser that knows
 * fewer than there are steps (a thousand, as papers have) the times of the whole process are drawn together, between whole ones.
 */
export const ddpmLevels =
  (times: (steps: number, T: number) => readonly number[] = uniformTimes, table: DdpmTable = ddpmTable()): Levels =>
  (steps, range) => {
    const [T, known] = [table.sigma.length, usable(table, range)];
    const shrink = known > 1 && steps > known && steps <= T ? (known - 1) / (T - 1) : 1;
    return [...times(steps, shrink < 1 ? T : known).map((t) => levelBetween(table, t * shrink)), 0];
  };
