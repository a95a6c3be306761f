/** A step of training against a forward pass of the same network and batch: time and memory, as it is and checkpointed. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { rng } from "../kernels/random.ts";
import { valueAndGrad } from "../src/autograd/vjp.ts";
import { prior } from "../src/catalogue.ts";
import type { Gpu } from "../src/gpu/open.ts";
import { checkpointed } from "../src/nets/checkpointed.ts";
import { countParameters, initParams, type Net, type Params } from "../src/nets/net.ts";
import { dispose, scope } from "../src/tensor/scope.ts";
import { edmLoss } from "../src/train/edm_loss.ts";
import { adam } from "../src/train/optimiser.ts";
import { parseSafetensors } from "../src/weights/safetensors.ts";

export interface TrainCase {
  name: string;
  side: number;
  batch: number;
}
/** The network of the shipped prior, from nothing. */
export const TRAININGS: readonly TrainCase[] = [
  { name: "train.prior.f32.8x64^2", side: 64, batch: 8 },
  { name: "train.prior.f32.8x32^2", side: 32, batch: 8 },
];

export interface TrainResult {
  name: string;
  kind: "train";
  parameters: number;
  batch: number;
  rounds: number;
  /** On software adapters the processor's own time counts, of all cores: what else the machine does is not in it. */
  clock: "wall" | "processor";
  /** Medians, in ms: the network alone; loss, gradient of all parameters, norm, Adam, average; with blocks that run again. */
  forward: number;
  step: number;
  checkpointed: number;
  /** The optimiser's share of a step: gradients into one buffer, their norm, one pass. */
  optimiser: number;
  /** Medians of the rounds' ratios to the forward pass. */
  stepRatio: number;
  checkpointedRatio: number;
  /** Bytes at the peak beside parameters, their packed forms, their gradients and the optimiser's state. */
  activations: number;
  activationsCheckpointed: number;
  activationRatio: number;
}

const shipped = (): Net => {
  const path = fileURLToPath(new URL("../models/prior.safetensors", import.meta.url));
  return prior(parseSafetensors(new Uint8Array(readFileSync(path)), path).metadata).net;
};

const median = (x: readonly number[]): number => [...x].sort((a, b) => a - b)[x.length >> 1] as number;

export async function measureTraining(
  gpu: Gpu,
  { name, side, batch }: TrainCase,
  { rounds = 5 }: { rounds?: number } = {},
): Promise<TrainResult> {
  const net = shipped();
  const optimiser = adam(initParams(net, rng(1)), { maxNorm: 1 });
  const images = scope(() => rng(2).normal([batch, side, side, 3]));
  const sigmas = Array.from({ length: batch }, (_, n) => n / 4 - 1);
  const time = async (work: () => void): Promise<number> => {
    await gpu.idle();
    const start = now();
    scope(work);
    await gpu.idle();
    return now() - start;
  };
  const now = () => {
    const { user, system } = process.cpuUsage();
    return gpu.software ? (user + system) / 1e3 : performance.now();
  };
  let done = 0;
  const gradient = (by: Net) =>
    valueAndGrad((p: Params) => edmLoss((x, s) => by.apply(p, x, s), images, rng(3)))(optimiser.params.tree);
  const update = (grad: Params) => optimiser.step(grad, { step: done++, lr: 1e-4, emaDecay: 0.99 });
  const work = {
    // once to pack the weights that the last step changed
    forward: () => void net.apply(optimiser.params.tree, images, sigmas),
    step: () => update(gradient(net).grad),
    checkpointed: () => update(gradient(checkpointed(net)).grad),
  };
  const activations = async (by: Net): Promise<number> => {
    gpu.pool.peakBytes = gpu.pool.liveBytes;
    const made = gradient(by);
    const stays = gpu.pool.liveBytes;
    dispose(made);
    await gpu.idle();
    return gpu.pool.peakBytes - stays;
  };
  try {
    const kinds = Object.keys(work) as (keyof typeof work)[];
    const times = {
      forward: [] as number[],
      step: [] as number[],
      checkpointed: [] as number[],
      optimiser: [] as number[],
    };
    for (const kind of kinds) await time(work[kind]); // compiles
    for (let round = 0; round < rounds; round++) {
      await time(work.forward);
      for (const kind of kinds) times[kind].push(await time(work[kind]));
      const { value, grad } = scope(() => gradient(net));
      times.optimiser.push(await time(() => update(grad)));
      dispose([value, grad]);
    }
    const ratio = (kind: "step" | "checkpointed") =>
      median(times[kind].map((t, i) => t / (times.forward[i] as number)));
    const [plain, light] = [await activations(net), await activations(checkpointed(net))];
    return {
      ...{
        name,
        kind: "train",
        parameters: countParameters(net),
        batch,
        rounds,
        clock: gpu.software ? "processor" : "wall",
      },
      forward: median(times.forward),
      step: median(times.step),
      checkpointed: median(times.checkpointed),
      optimiser: median(times.optimiser),
      stepRatio: ratio("step"),
      checkpointedRatio: ratio("checkpointed"),
      activations: plain,
      activationsCheckpointed: light,
      activationRatio: light / plain,
    };
  } finally {
    optimiser.dispose();
    images.dispose();
  }
}

const ms = (t: number): string => `${t.toFixed(1)} ms`;
const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

export const trainLine = (r: TrainResult): string =>
  [
    `${r.name.padEnd(28)} ${r.parameters} parameters, ${r.rounds} rounds, ${r.clock} time`,
    `forward ${ms(r.forward)}, step ${ms(r.step)} (${r.stepRatio.toFixed(2)}x), checkpointed ${ms(r.checkpointed)} (${r.checkpointedRatio.toFixed(2)}x), of which optimiser ${ms(r.optimiser)}`,
    `activations ${mib(r.activations)}, checkpointed ${mib(r.activationsCheckpointed)} (${(100 * r.activationRatio).toFixed(0)} %)`,
  ].join("\n  ");
