import { lincomb } from "../../kernels/lincomb.ts";
import { rng as makeRng, type Rng } from "../../kernels/random.ts";
import { valueAndGrad } from "../autograd/vjp.ts";
import { gpu } from "../gpu/open.ts";
import { scope } from "../tensor/scope.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import type { Optimiser } from "./optimiser.ts";
import { emaDecay, learningRate, type Schedule } from "./schedule.ts";

export interface LoopOptions {
  optimiser: Optimiser;
  /** The loss of a batch, one number, as a function of the parameters. */
  loss(params: Readonly<Record<string, Tensor>>, batch: Tensor, rng: Rng): Tensor;
  batch(rng: Rng): Promise<Tensor>;
  schedule: Schedule;
  emaDecay?: number;
  seed?: number;
  /** The first step to run: those before are in the optimiser already. */
  start?: number;
  /** Steps between two reports; the loss is their mean. */
  every?: number;
  /** Once aborted, the step under way is finished and reported, and that is the last. */
  signal?: AbortSignal | undefined;
}
export interface Report {
  /** Steps done, this one included. */
  step: number;
  steps: number;
  loss: number;
  lr: number;
  secondsPerStep: number;
}

/**
 * Trains, yielding now and then. Everything random in step k comes from stream k of the seed, so a run that was
 * stopped after any step goes on exactly as if it had not been. A loss that is not finite ends it by throwing.
 */
export async function* loop(options: LoopOptions): AsyncGenerator<Report> {
  const { optimiser, schedule, seed = 0, start = 0, every = 10, signal } = options;
  const root = makeRng(seed);
  let sum = tensor([], [0]);
  let since = 0;
  let began = performance.now();
  const draw = (step: number): Promise<Tensor> => {
    const batch = options.batch(root.fork(2 * step));
    batch.catch(() => {}); // a failure is met when its step comes; until then it must not end the process
    return batch;
  };
  let next = draw(start);
  try {
    for (let step = start; step < schedule.steps; step++) {
      const batch = await next;
      const lr = learningRate(schedule, step);
      sum = scope(() => {
        const { value, grad } = valueAndGrad((p: Record<string, Tensor>) =>
          options.loss(p, batch, root.fork(2 * step + 1)),
        )(optimiser.params.tree);
        optimiser.step(grad, { step, lr, emaDecay: emaDecay(options.emaDecay ?? 0.999, step) });
        const old = sum;
        const total = lincomb(1, old, 1, value);
        old.dispose();
        return total;
      });
      gpu().recording.flush();
      batch.dispose();
      // the next batch is made while the GPU works; one step is in flight
      if (step + 1 < schedule.steps) next = draw(step + 1);
      await gpu().idle();
      since++;
      if ((step + 1) % every === 0 || step + 1 === schedule.steps || signal?.aborted) {
        const loss = ((await sum.read())[0] as number) / since;
        if (!Number.isFinite(loss))
          throw new RangeError(
            `train: the loss is ${loss} between steps ${step + 1 - since} and ${step + 1}; lower --lr`,
          );
        const seconds = (performance.now() - began) / 1000;
        yield { step: step + 1, steps: schedule.steps, loss, lr, secondsPerStep: seconds / since };
        sum.dispose();
        sum = tensor([], [0]);
        since = 0;
        began = performance.now();
        if (signal?.aborted) return;
      }
    }
  } finally {
    sum.dispose();
    (await next.catch(() => undefined))?.dispose();
  }
}
