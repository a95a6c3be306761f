import { rng as makeRng, type Rng } from "../../kernels/random.ts";
import { ProxelError } from "../errors.ts";
import { gpu } from "../gpu/open.ts";
import type { Params } from "../nets/net.ts";
import { dispose, scope, type Tree } from "../tensor/scope.ts";
import { copyBuffer, type Tensor, tensor } from "../tensor/tensor.ts";
import { culprit } from "./culprit.ts";
import { allFinite, type Figures, type Gauges, gauges } from "./gauges.ts";
import { type HostState, hostAdam, hostState } from "./host_adam.ts";
import { type LossScale, lossScale, rescaled } from "./loss_scale.ts";
import { type AdamOptions, adam, type Optimiser } from "./optimiser.ts";
import type { At, Recipe } from "./recipe.ts";
import { emaDecay, learningRate, type Schedule } from "./schedule.ts";
import { type Gradient, gradient, type Pass } from "./step.ts";

/** A recipe under way: all that changes while it is trained, and that a checkpoint keeps. */
export interface Training<Batch extends Tree = Tree> extends Disposable {
  readonly recipe: Recipe<Batch>;
  readonly seed: number;
  readonly optimiser: Optimiser;
  readonly judge?: Optimiser;
  scalars: HostState;
  /** Where gradients pass through halves. A step whose gradient is not finite is left out, and the scale halved. */
  lossScale?: LossScale;
  /** Steps done. */
  step: number;
  /** Spent in them. */
  seconds: number;
}

export interface TrainingOptions {
  seed?: number;
  /** Over the recipe's own. */
  adam?: AdamOptions;
  /** For networks that are `halved`. */
  lossScale?: boolean;
}

/** A recipe at its first values. `using`, or disposing of it, frees them. */
export function training<Batch extends Tree>(
  recipe: Recipe<Batch>,
  { seed = 0, adam: options, lossScale: scaling = false }: TrainingOptions = {},
): Training<Batch> {
  const root = makeRng(seed);
  const { adversary } = recipe;
  const optimiser = adam(recipe.init(root.fork(2 ** 31)), { ...recipe.adam, ...options });
  const judge = adversary && adam(adversary.init(root.fork(2 ** 31 + 1)), { ...options, ...adversary.adam });
  return {
    ...{ recipe, seed, optimiser, step: 0, seconds: 0 },
    ...(judge && { judge }),
    ...(scaling && { lossScale: lossScale() }),
    scalars: hostState(recipe.scalars ?? {}),
    [Symbol.dispose]() {
      optimiser.dispose();
      judge?.dispose();
    },
  };
}

export interface TrainOptions {
  schedule: Schedule;
  emaDecay?: number;
  /** Micro-batches a step: their gradients are averaged. */
  accumulate?: number;
  /** Steps between two reports. */
  every?: number;
  /** Once aborted, the step under way is finished and reported, and that is the last. */
  signal?: AbortSignal | undefined;
}

export interface Report {
  /** Steps done, this one included. */
  step: number;
  steps: number;
  /** The mean since the last report; where only its judge had a turn, as then. */
  loss: number;
  /** Of the gradient before clipping: the largest since the last report. */
  norm: number;
  lr: number;
  secondsPerStep: number;
  judgeLoss?: number;
  scalars?: Readonly<Record<string, number>>;
}

/**
 * Trains from where it stands to the end of the schedule, yielding now and then. Everything random in micro-batch k comes
 * from streams 2k and 2k + 1 of the seed, so a run that was stopped after any step goes on exactly as if it had not been.
 * A loss or a gradient that is not finite changes nothing, and ends it by throwing, the first tensor that is not named;
 * with a loss scale it does so when no smaller scale helps.
 */
export async function* train<Batch extends Tree>(run: Training<Batch>, options: TrainOptions): AsyncGenerator<Report> {
  const { recipe } = run;
  const { schedule, every = 10, accumulate = 1, signal } = options;
  const root = makeRng(run.seed);
  const end = schedule.steps * accumulate;
  const draw = (k: number): Promise<Batch> | undefined => {
    if (k >= end) return undefined;
    const batch = recipe.batch(root.fork(2 * k));
    batch.catch(() => {}); // a failure is met when its step comes; until then it must not end the process
    return batch;
  };
  const gauge = gauges(Object.keys(run.scalars.values));
  let next = draw(run.step * accumulate);
  let since: Turn[] = [];
  let loss = Number.NaN;
  let began = performance.now();
  try {
    while (run.step < schedule.steps) {
      const { step } = run;
      const first = step * accumulate;
      const judging = run.judge !== undefined && step % 2 === 1;
      const own = withScalars(run);
      let sum: Gradient | undefined;
      try {
        for (let k = first; k < first + accumulate; k++) {
          const before = sum;
          sum = await onBatch(run, own.params, next as Promise<Batch>, root.fork(2 * k + 1), (pass) =>
            gradient(pass, before, scaleOf(run)),
          );
          dispose(before);
          gpu().recording.flush();
          next = draw(k + 1); // made while the GPU works; one micro-batch is in flight
          await gpu().idle();
        }
        update(run, options, judging, sum as Gradient, gauge);
        const figures = await gauge.read(accumulate * scaleOf(run));
        const finite = allFinite(figures);
        const scale = run.lossScale && rescaled(run.lossScale, finite);
        if (!finite && !scale) {
          const again = Array.from({ length: accumulate }, (_, i) => first + i);
          throw await explained(run, own.params, figures, again, root);
        }
        if (scale) run.lossScale = scale;
        if (finite && !judging) stepScalars(run, options, figures);
        since.push({ judging, figures, taken: finite });
      } finally {
        dispose([sum, own.learned]);
      }
      run.step++;
      if (run.step % every === 0 || run.step === schedule.steps || signal?.aborted) {
        const seconds = (performance.now() - began) / 1000;
        run.seconds += seconds;
        const report = reported(run, schedule, since, seconds, loss);
        yield report;
        loss = report.loss;
        [since, began] = [[], performance.now()];
        if (signal?.aborted) return;
      }
    }
  } finally {
    gauge.dispose();
    dispose(await next?.catch(() => undefined));
  }
}

const scaleOf = ({ lossScale }: Training): number => lossScale?.scale ?? 1;

/** The recipe's parameters and, in tensors [1] of their own, its numbers. */
function withScalars({ optimiser, scalars }: Training): { params: Params; learned: Params } {
  const learned = Object.fromEntries(Object.entries(scalars.values).map(([name, x]) => [name, tensor([1], [x])]));
  return { params: { ...optimiser.params.tree, ...learned }, learned };
}

/** Makes a micro-batch ready, hands over what a gradient is to be taken of, and frees the batch. */
async function onBatch<Batch extends Tree, T>(
  run: Training<Batch>,
  own: Params,
  drawn: Promise<Batch>,
  random: Rng,
  f: (pass: Pass, batch: Batch) => T | Promise<T>,
): Promise<T> {
  const { recipe, judge, step } = run;
  const { adversary } = recipe;
  const trees: (Batch | undefined)[] = [];
  try {
    const batch = await drawn;
    trees.push(batch);
    const [scalars, average] = [run.scalars.values, run.optimiser.ema.tree];
    const at: At = { step, random, scalars, average, ...(judge && { judge: judge.params.tree }) };
    const ready = recipe.prepare ? await recipe.prepare(own, batch, at) : batch;
    trees.push(ready);
    if (!judge || !adversary || step % 2 === 0)
      return await f({ params: own, loss: (params) => recipe.loss(params, ready, at) }, ready);
    const judged = { ...at, judged: own };
    return await f({ params: judge.params.tree, loss: (params) => adversary.loss(params, ready, judged) }, ready);
  } finally {
    dispose(trees);
  }
}

/** Of those of the recipe or of its judge, where they take turns. */
const turns = ({ judge, step }: Training): number => (judge ? Math.floor(step / 2) : step);

function update(
  run: Training,
  options: TrainOptions,
  judging: boolean,
  { value, grad }: Gradient,
  gauge: Gauges,
): void {
  const { schedule, accumulate = 1, emaDecay: decay = 0.999 } = options;
  const { recipe, judge, optimiser } = run;
  const rate = judging ? (recipe.adversary?.adam?.rate ?? 1) : 1;
  const scalars = judging ? [] : Object.keys(run.scalars.values);
  scope(() => {
    const tensors = { ...grad };
    for (const name of scalars) {
      copyBuffer(grad[name] as Tensor, gauge.scalars[name] as Tensor);
      delete tensors[name];
    }
    copyBuffer(value, gauge.loss);
    (judging && judge ? judge : optimiser).step(tensors, {
      step: turns(run),
      lr: rate * learningRate(schedule, run.step),
      emaDecay: emaDecay(decay, turns(run)),
      gradScale: 1 / (accumulate * scaleOf(run)),
      guard: value,
      norm: gauge.normSquared,
    });
  });
}

function stepScalars(run: Training, { schedule, emaDecay: decay = 0.999 }: TrainOptions, { scalars }: Figures): void {
  const { scalarAdam } = run.recipe;
  const lr = (scalarAdam?.rate ?? 1) * learningRate(schedule, run.step);
  const at = { step: turns(run), lr, emaDecay: emaDecay(decay, turns(run)) };
  run.scalars = hostAdam(run.scalars, scalars, at, scalarAdam);
}

/** What to say of a step that was not finite, from the same step made again: parameters are as they were before it. */
async function explained<Batch extends Tree>(
  run: Training<Batch>,
  own: Params,
  { loss, norm }: Figures,
  again: readonly number[],
  root: Rng,
): Promise<ProxelError> {
  let words: string | undefined;
  for (const k of again)
    words ??= await onBatch(run, own, run.recipe.batch(root.fork(2 * k)), root.fork(2 * k + 1), culprit);
  const what = Number.isFinite(loss) ? `the gradient's norm is ${norm}` : `the loss is ${loss}`;
  const where = words ? `first not finite: ${words}` : "made again, it was finite";
  return new ProxelError(`train: ${what} in step ${run.step + 1}; ${where}; lower the learning rate`);
}

interface Turn {
  readonly judging: boolean;
  /** False where the loss scale was too large. */
  readonly taken: boolean;
  readonly figures: Figures;
}

function reported(run: Training, schedule: Schedule, since: readonly Turn[], seconds: number, before: number): Report {
  const taken = since.filter((turn) => turn.taken);
  const losses = (of: boolean) => taken.flatMap(({ judging, figures }) => (judging === of ? [figures.loss] : []));
  const mean = (x: readonly number[]) => x.reduce((a, b) => a + b, 0) / x.length;
  const { values } = run.scalars;
  return {
    step: run.step,
    steps: schedule.steps,
    loss: losses(false).length ? mean(losses(false)) : before,
    norm: Math.max(0, ...taken.map(({ figures }) => figures.norm)),
    lr: learningRate(schedule, run.step - 1),
    secondsPerStep: seconds / since.length,
    ...(losses(true).length && { judgeLoss: mean(losses(true)) }),
    ...(Object.keys(values).length && { scalars: values }),
  };
}

/** The averaged parameters as they are used, with their numbers in tensors; whoever asked frees `learned`. */
export function averaged({ optimiser, scalars }: Training): { params: Params; learned: Params } {
  const learned = Object.fromEntries(Object.entries(scalars.ema).map(([name, x]) => [name, tensor([1], [x])]));
  return { params: { ...optimiser.ema.tree, ...learned }, learned };
}
