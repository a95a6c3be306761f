import { square } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { mean } from "../../kernels/reduce.ts";
import { constant } from "../autograd/vjp.ts";
import { gpu } from "../gpu/open.ts";
import { type Anderson, anderson } from "../linalg/anderson.ts";
import { replaceState } from "../linalg/iterate.ts";
import { adamMove, type Moments } from "../solvers/adam_move.ts";
import { detached, dispose, scope, type Tree } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";

export interface SettleOptions {
  /** Plain: x' = g(x). Adam: down x - g(x), as MUPET. Anderson: over the last few steps, the fastest where g contracts. */
  accelerate?: "plain" | "adam" | "anderson";
  /** At rest: a mean squared step, over all numbers of the batch, of no more than this. */
  tol?: number;
  /** Iterations from one look at the step to the next, and from a look to what follows from it. */
  every?: number;
  maxIterations?: number;
  /** Diverged: a picture whose root mean square is beyond this, or is no number. */
  bound?: number;
  /** Of Adam: its step, and what is added to the exponent of its bias corrections. */
  lr?: number;
  late?: number;
  /** Of Anderson: steps remembered. */
  memory?: number;
  signal?: AbortSignal | undefined;
}

export interface Settled {
  /** The last iterate; the caller's to free. Not always finite where it diverged. */
  readonly x: Tensor;
  /** Calls of g. */
  readonly iterations: number;
  /** Mean squared step of the last iteration. */
  readonly residual: number;
  /** The largest root mean square of a picture after it. */
  readonly size: number;
  /** "unsettled": still moving after `maxIterations`. */
  readonly end: "settled" | "diverged" | "unsettled";
}

/** How it ended, in words. */
export const told = ({ end, iterations, residual, size }: Settled): string =>
  `${end} after ${iterations} iterations, mean squared step ${residual.toExponential(1)}, largest root mean square ${size.toPrecision(3)}`;

interface State {
  readonly x: Tensor;
  /** What the rule carries from step to step. */
  readonly carried: Tree;
}
type Rule = (x: Tensor, gx: Tensor, carried: Tree, k: number) => State;

const RULES = {
  plain: () => ({ begin: () => [], next: (_, x) => ({ x, carried: [] }) }),
  adam: ({ lr = 0.1, late = 0 }) => ({
    begin: (x) => ({ m: lincomb(0, x), v: lincomb(0, x) }),
    next(x, gx, carried, k) {
      const { move, m, v } = adamMove(lincomb(1, x, -1, gx), carried as unknown as Moments, { lr, step: k + late });
      return { x: lincomb(1, x, -1, move), carried: { m, v } };
    },
  }),
  anderson: ({ memory = 5 }) => ({
    begin: () => ({ pairs: [] }),
    next(x, gx, carried) {
      const next = anderson(x, gx, carried as unknown as Anderson, { memory });
      return { x: next.x, carried: next.remembered as unknown as Tree };
    },
  }),
} satisfies Record<string, (options: SettleOptions) => { begin(x: Tensor): Tree; next: Rule }>;

/** A look at one iteration: recorded now, known later. */
interface Look {
  readonly k: number;
  readonly numbers: Promise<{ residual: number; size: number }>;
}

/**
 * Iterates x = g(x) from x0 until it rests, remembering nothing for gradients [deep equilibrium: Bai 2019]. Outside of every scope;
 * each iteration is one. Every `every` iterations the step is looked at, and acted on `every` iterations later, so that the GPU
 * never waits for the host and the number of iterations depends on the numbers alone: a look at iteration k that finds it
 * at rest ends it after k + every.
 */
export async function settle(g: (x: Tensor) => Tensor, x0: Tensor, options: SettleOptions = {}): Promise<Settled> {
  const { accelerate = "plain", tol = 1e-8, every = 10, maxIterations = 500, bound = 1000, signal } = options;
  if (!(every >= 1 && maxIterations >= 1))
    throw new RangeError(`settle: every and maxIterations are 1 or more, got ${every} and ${maxIterations}`);
  const rule = RULES[accelerate](options);
  const tidy = <T>(fn: () => T): T => detached(() => scope(() => constant(fn)));
  const judged = ({ residual, size }: { residual: number; size: number }) =>
    !(size <= bound) || !Number.isFinite(residual) ? "diverged" : residual <= tol ? "settled" : undefined;
  let state: State | undefined = tidy(() => ({ x: lincomb(1, x0), carried: rule.begin(x0) }));
  let before: Look | undefined;
  try {
    for (let k = 1; ; k++) {
      signal?.throwIfAborted();
      const { x, carried }: State = state;
      const next: State = tidy(() => rule.next(x, g(x), carried, k));
      const look = k % every === 0 || k === maxIterations ? { k, numbers: looked(tidy, x, next.x) } : undefined;
      replaceState(state, next);
      state = next;
      if (!look) continue;
      const known = before && judged(await before.numbers);
      if (!known && k < maxIterations) {
        before = look;
        continue;
      }
      const numbers = await look.numbers;
      const end = judged(numbers) === "diverged" ? "diverged" : (known ?? judged(numbers) ?? "unsettled");
      state = undefined;
      dispose(next.carried);
      return { x: next.x, iterations: k, ...numbers, end };
    }
  } finally {
    if (state) {
      await before?.numbers.catch(() => {});
      dispose(state as unknown as Tree);
    }
  }
}

/** Mean squared step of the batch and the largest root mean square of its pictures, on their way to the host. */
function looked(tidy: <T>(fn: () => T) => T, x: Tensor, next: Tensor): Look["numbers"] {
  const axes = x.shape.map((_, i) => i).slice(1);
  const figures = tidy(() => [mean(square(lincomb(1, next, -1, x))), mean(square(next), { axes })] as const);
  const read = Promise.all(figures.map((t) => t.read()));
  dispose(figures); // the reads are recorded
  gpu().recording.flush();
  const numbers = read.then(([step, squares]) => ({
    residual: step?.[0] as number,
    size: Math.sqrt(Math.max(...(squares as Float32Array))),
  }));
  numbers.catch(() => {});
  return numbers;
}
