import { expect, test } from "vitest";
import { lincomb } from "../../kernels/lincomb.ts";
import { rng } from "../../kernels/random.ts";
import { gpu } from "../../src/gpu/open.ts";
import { admUnet } from "../../src/nets/adm_unet.ts";
import { checkpointed } from "../../src/nets/checkpointed.ts";
import { halved } from "../../src/nets/halved.ts";
import { initParams, type Net, type Params } from "../../src/nets/net.ts";
import { scope } from "../../src/tensor/scope.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { checkpointBytes, loadCheckpoint } from "../../src/train/checkpoint.ts";
import { edmLoss } from "../../src/train/edm_loss.ts";
import { lossScale, rescaled } from "../../src/train/loss_scale.ts";
import type { Recipe } from "../../src/train/recipe.ts";
import { type Training, train, training } from "../../src/train/trainer.ts";
import { withGpu } from "../lib/gpu.ts";

withGpu();

const net = admUnet({ resolution: 8, channels: 32, multipliers: [1], blocks: 1 });
const recipe = (by: Net): Recipe<Tensor> => ({
  name: "small",
  init: (random) => initParams(net, random),
  batch: async (random) => scope(() => lincomb(0.1, random.normal([2, 8, 8, 3]))),
  loss: (params, x0, { random }) => edmLoss((x, s) => by.apply(params, x, s), x0, random),
});
const schedule = (steps: number) => ({ lr: 2e-3, lrEnd: 2e-3, warmup: 0, steps });
/** Mean losses of the first and the second half. */
async function run(state: Training<Tensor>, steps: number): Promise<number[]> {
  const losses: number[] = [];
  for await (const { loss } of train(state, { schedule: schedule(steps), every: steps / 2 })) losses.push(loss);
  return losses;
}

test("a network in halves learns as in f32, also checkpointed; its parameters stay f32", async ({ skip }) => {
  if (!gpu().f16) skip("this adapter has no f16");
  const losses: number[][] = [];
  for (const [by, scaling] of [
    [net, false],
    [halved(net), true],
    [halved(checkpointed(net)), true],
  ] as const) {
    using state = training(recipe(by), { seed: 3, lossScale: scaling });
    losses.push(await run(state, 20));
    for (const t of Object.values(state.optimiser.params.tree)) expect(t.dtype).toBe("f32");
    if (scaling) expect(state.lossScale).toEqual({ scale: 2 ** 14, since: 20 });
  }
  console.log(`losses ${losses.map((l) => l.map((x) => x.toFixed(5)).join(" to ")).join("; ")}`);
  for (const [first = 0, last = 1] of losses) expect(last).toBeLessThan(0.95 * first);
  const [full, half, light] = losses.map((l) => l[1]) as [number, number, number];
  expect(Math.abs(half / full - 1)).toBeLessThan(1e-3);
  expect(Math.abs(light / half - 1)).toBeLessThan(1e-3);
});

test("a step whose gradient overflows is left out, and the scale halved; a checkpoint keeps it", async ({ skip }) => {
  if (!gpu().f16) skip("this adapter has no f16");
  using state = training(recipe(halved(net)), { seed: 3, lossScale: true });
  state.lossScale = lossScale(2 ** 40); // its gradients are beyond 65504
  const before = await (state.optimiser.params.chunks[0] as Tensor).read();
  await run(state, 2);
  expect(state.lossScale).toEqual({ scale: 2 ** 38, since: 0 });
  expect(await (state.optimiser.params.chunks[0] as Tensor).read()).toEqual(before);
  using other = training(recipe(halved(net)), { lossScale: true });
  await loadCheckpoint(await checkpointBytes(state), other);
  expect(other.lossScale).toEqual(state.lossScale);
});

test("where no scale helps the run ends, and says where", async () => {
  const broken: Recipe<Tensor> = {
    ...recipe(net),
    batch: async () => scope(() => rng(1).normal([2, 8, 8, 3])),
    loss: (params: Params, x0, { random }) =>
      edmLoss((x, s) => net.apply(params, x, s), x0, random, { sigmaData: Number.NaN }),
  };
  using state = training(broken, { lossScale: true });
  state.lossScale = lossScale(2 ** -13);
  await expect(run(state, 4)).rejects.toThrow(/step 2; first not finite/);
});

test("the scale grows after a thousand good steps, between bounds", () => {
  let s = lossScale(4);
  for (let i = 0; i < 999; i++) s = rescaled(s, true) as typeof s;
  expect(s).toEqual({ scale: 4, since: 999 });
  expect(rescaled(s, true)).toEqual({ scale: 8, since: 0 });
  expect(rescaled(s, false)).toEqual({ scale: 2, since: 0 });
  expect(rescaled(lossScale(2 ** -14), false)).toBeUndefined();
  expect(rescaled({ scale: 2 ** 24, since: 5000 }, true)?.scale).toBe(2 ** 24);
});
