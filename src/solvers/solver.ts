import { broadcastTo } from "../../kernels/broadcast.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { type Rng, rng } from "../../kernels/random.ts";
import { sumSquares } from "../../kernels/reduce.ts";
import { reshape } from "../../kernels/reshape.ts";
import type { Denoiser, Reconstructor } from "../diffusion/denoiser.ts";
import { ProxelError, ShapeError } from "../errors.ts";
import { gpu } from "../gpu/open.ts";
import { replaceState } from "../linalg/iterate.ts";
import type { LinearOperator, Operator } from "../linalg/operator.ts";
import { op } from "../tensor/op.ts";
import { detached, dispose, leaves, mapTree, scope, type Tree } from "../tensor/scope.ts";
import { type Shape, sameShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Pictures to be drawn from a prior, of shape [N, H, W, C]. */
export interface Sampling {
  readonly denoiser: Denoiser;
  readonly shape: Shape;
}
/**
 * A measurement y = A(x) + sigmaNoise n, y [N, ...A.range], and what is believed of x. All in signed units: x in [-1, 1].
 * Methods that need no adjoint say so by taking a Problem<Operator>: they solve linear problems and others.
 */
export interface Problem<A extends Operator = LinearOperator> {
  readonly y: Tensor;
  readonly A: A;
  readonly sigmaNoise: number;
  readonly denoiser: Denoiser;
  /** A network that sees the measurement, for the methods that have one. */
  readonly model?: Reconstructor;
}

/** The iterate, the current guess of the picture, the noise level of x, and whatever else the solver carries. */
export interface State {
  readonly x: Tensor;
  readonly x0: Tensor;
  readonly sigma: number;
  readonly [name: string]: Tree | number;
}

/** A first state and a rule for the next. Both are synchronous and pure: they record GPU work and return. */
export interface Solver<P = Problem> {
  readonly name: string;
  readonly steps: number;
  init(problem: P, rng: Rng): State;
  step(problem: P, state: State, i: number, rng: Rng): State;
}

/** A state, that of step i of 0 .. steps - 1; nfe counts calls of the network so far, nbe gradients taken through it. */
export type Step = State & Counts & { readonly i: number; readonly steps: number };
interface Counts {
  readonly nfe: number;
  readonly nbe: number;
}

export interface RunOptions {
  seed?: number;
  signal?: AbortSignal | undefined;
  /** Draws so many times for one measurement: its batch of 1 is repeated. */
  samples?: number;
  /** Replaces (copies of) these parts of the first state. */
  start?: Partial<State>;
  /** The step to begin with; with `start` a whole state, a run is resumed exactly. */
  from?: number;
}

/**
 * Runs a solver step by step. Each state is freed when the next is asked for; the last belongs to the caller; leaving
 * early frees what is left. One step is in flight: the GPU works on it while the caller sees it. A number that is not
 * finite ends the run, one step late at most, and never reaches the last state.
 */
export async function* run<P extends Problem<Operator> | Sampling>(
  solver: Solver<P>,
  problem: P,
  { seed = 0, signal, samples, start = {}, from = 0 }: RunOptions = {},
): AsyncGenerator<Step, void, undefined> {
  const { name, steps } = solver;
  const on = gpu();
  const random = rng(seed);
  const count = { nfe: 0, nbe: 0 };
  // detached: whoever asks for the next step may be inside a scope of his own
  const tidy = <T>(fn: () => T): T => detached(() => scope(fn));
  signal?.throwIfAborted();
  const repeated = tidy(() => (samples === undefined ? {} : repeat(problem, samples)));
  let state: State | undefined;
  let ours = true;
  let checked: Promise<void> | undefined;
  try {
    const counted: P = { ...problem, ...repeated, ...calls(problem, count) };
    check(counted);
    state = tidy(() => {
      const given = mapTree(start, (t) => lincomb(1, t)) as Pick<State, "x">;
      return { ...solver.init(counted, random.fork(0)), ...given };
    });
    checked = finite(state, `${name}: the first state`);
    for (let i = from; i < steps; i++) {
      signal?.throwIfAborted();
      const before: State = state;
      const after: State = tidy(() => solver.step(counted, before, i, random.fork(i + 1)));
      replaceState(before, after);
      state = after;
      const report = finite(after, `${name}: step ${i + 1} of ${steps}, from sigma ${before.sigma.toPrecision(3)},`);
      await checked;
      checked = report;
      if (i === steps - 1) {
        await checked;
        await on.idle();
        ours = false;
      }
      yield { ...after, i, steps, ...count };
    }
  } finally {
    if (ours) dispose(state);
    dispose(repeated);
  }
}

/** Runs a solver to its end. Returns its last iterate: the restored picture. */
export async function restore<P extends Problem<Operator> | Sampling>(
  problem: P,
  solver: Solver<P>,
  { onStep, ...options }: RunOptions & { onStep?(step: Step): void | Promise<void> } = {},
): Promise<Tensor> {
  let last: Step | undefined;
  try {
    for await (const step of run(solver, problem, options)) {
      last = step;
      await onStep?.(step);
    }
  } catch (error) {
    dispose(last);
    throw error;
  }
  if (!last) throw new RangeError(`${solver.name}: no steps to run`);
  const { x } = last;
  for (const t of leaves(last)) if (t !== x) t.dispose();
  return x;
}

/** The shape of the iterate: the measurement's batch, the operator's domain. */
export const pictureShape = ({ y, A }: Pick<Problem<Operator>, "y" | "A">): Shape => [
  y.shape[0] as number,
  ...A.domain,
];

function check(problem: Problem<Operator> | Sampling): void {
  if (!("y" in problem)) return;
  const { y, A, sigmaNoise } = problem;
  if (!sameShape(y.shape.slice(1), A.range))
    throw new ShapeError(
      `${A.name ?? "operator"}: the measurement must be [N, ${A.range.join(", ")}], got [${y.shape.join(", ")}]`,
    );
  if (!(sigmaNoise >= 0 && sigmaNoise < Number.POSITIVE_INFINITY))
    throw new RangeError(`problem: sigmaNoise must be 0 or more, got ${sigmaNoise}`);
}

/** What a network gave, unchanged; a gradient that comes back through it is counted. */
const answered = op<{ count: { nbe: number } }>({
  name: "network",
  forward: ([x]) => ({ out: reshape(x as Tensor, (x as Tensor).shape) }),
  vjp(dy, _, { count }) {
    count.nbe++;
    return [dy];
  },
});

/** The problem's networks, counting their calls. */
function calls(problem: Problem<Operator> | Sampling, count: { nfe: number; nbe: number }): Partial<Problem> {
  const counting = <F extends Denoiser | Reconstructor>(f: F): F =>
    Object.assign((...args: Parameters<F>) => {
      count.nfe++;
      return answered([(f as (...a: Parameters<F>) => Tensor)(...args)], { count });
    }, f) as unknown as F;
  const model = "model" in problem ? problem.model : undefined;
  return { denoiser: counting(problem.denoiser), ...(model && { model: counting(model) }) };
}

function repeat(problem: Problem<Operator> | Sampling, samples: number): { y?: Tensor; shape?: Shape } {
  const { shape } = "y" in problem ? problem.y : problem;
  if (shape[0] !== 1 || !(samples >= 1))
    throw new ShapeError(`run: ${samples} samples of a batch of ${shape[0]}; the batch must be 1`);
  const full = [samples, ...shape.slice(1)];
  return "y" in problem ? { y: lincomb(1, broadcastTo(problem.y, full)) } : { shape: full };
}

/** Rejects when a tensor of the state turns out not to be finite. Resolves when the GPU has made it. */
function finite(state: State, what: string): Promise<void> {
  const norms = Object.entries(state).flatMap(([name, tree]) =>
    leaves(tree).map((t) => {
      const norm = detached(() => scope(() => sumSquares(t))); // of complex numbers it is a few tensors
      const value = norm.read();
      norm.dispose(); // the read is recorded; the buffer may be reused after it
      return { name, value };
    }),
  );
  const report = Promise.all(norms.map(({ value }) => value)).then((values) => {
    const odd = norms.filter((_, i) => !Number.isFinite(values[i]?.[0])).map(({ name }) => name);
    if (odd.length)
      throw new ProxelError(
        `${what} made ${odd.join(" and ")} not finite; is the measurement, or what the network gives there?`,
      );
  });
  report.catch(() => {}); // the loop may have been left by then
  return report;
}
