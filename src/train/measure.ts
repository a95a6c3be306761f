import { gpu } from "../gpu/open.ts";
import type { Tree } from "../tensor/scope.ts";
import { type Training, type TrainOptions, train } from "./trainer.ts";

export interface Measured {
  /** Numbers that are trained: of the recipe, on the host, and of its judge. */
  readonly parameters: number;
  readonly judge: number;
  /** The most that was held on the device at once, weights and optimiser among it. */
  readonly peakBytes: number;
  readonly secondsPerStep: number;
  /** The first, with shaders to compile. */
  readonly firstSeconds: number;
}

const count = (tree: Readonly<Record<string, { readonly size: number }>>) =>
  Object.values(tree).reduce((sum, { size }) => sum + size, 0);

/** Takes a few real steps, which change the training, and tells what one costs. With a judge, the mean of both turns. */
export async function measure<B extends Tree>(run: Training<B>, options: TrainOptions): Promise<Measured> {
  const period = run.judge ? 2 : 1;
  const seconds: number[] = [];
  const schedule = { ...options.schedule, steps: run.step + 2 * period };
  for await (const { secondsPerStep } of train(run, { ...options, schedule, every: 1 })) seconds.push(secondsPerStep);
  const later = seconds.slice(period);
  return {
    parameters: count(run.optimiser.params.tree) + Object.keys(run.scalars.values).length,
    judge: run.judge ? count(run.judge.params.tree) : 0,
    peakBytes: gpu().pool.peakHeldBytes,
    secondsPerStep: later.reduce((a, b) => a + b, 0) / later.length,
    firstSeconds: seconds[0] as number,
  };
}
