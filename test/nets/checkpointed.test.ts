import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { mul } from "../../kernels/broadcast.ts";
import { rng } from "../../kernels/random.ts";
import { mean, sum } from "../../kernels/reduce.ts";
import { valueAndGrad } from "../../src/autograd/vjp.ts";
import { prior } from "../../src/catalogue.ts";
import { gpu } from "../../src/gpu/open.ts";
import { ADM, officialAdm } from "../../src/nets/adm_official.ts";
import { admUnet } from "../../src/nets/adm_unet.ts";
import { checkpointed } from "../../src/nets/checkpointed.ts";
import { ddpm } from "../../src/nets/ddpm.ts";
import { dhariwalUnet } from "../../src/nets/dhariwal_unet.ts";
import { ncsnpp } from "../../src/nets/ncsnpp.ts";
import { initParams, type Labels, type Net, type Params } from "../../src/nets/net.ts";
import { songUnet } from "../../src/nets/song_unet.ts";
import { dispose } from "../../src/tensor/scope.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { parseSafetensors } from "../../src/weights/safetensors.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";

withGpu();

const sizes = { resolution: 16, multipliers: [1, 2], blocks: 1, attention: [8] };
const NETS: Record<string, Net> = {
  "adm, resampling in blocks": admUnet({ ...sizes, channels: 32, classes: 3 }),
  "adm, resampling by convolutions": admUnet({ ...sizes, channels: 32, updown: false, scaleShift: false }),
  song: songUnet({ ...sizes, channels: 16, encoder: "residual", decoder: "skip", filter: [1, 3, 3, 1] }),
  dhariwal: dhariwalUnet({ ...sizes, channels: 32, headChannels: 16 }),
  ncsnpp: ncsnpp({ ...sizes, channels: 16, fir: [1, 3, 3, 1], progressiveInput: "residual" }),
  ddpm: ddpm({ ...sizes, channels: 32 }),
};

const all = (grads: object) => Object.values(grads).flatMap((g: Float32Array) => [...g]);

/** What is zero at first would hide what is wrong. */
const nowhereZero = ({ parameters, ...rest }: Net): Net => ({
  ...rest,
  parameters: Object.fromEntries(
    Object.entries(parameters).map(([name, spec]) => [name, spec.init === 0 ? { ...spec, init: { std: 0.1 } } : spec]),
  ),
});

for (const [name, net] of Object.entries(NETS))
  test(`${name}: the same value and gradients, but for the order of sums`, async () => {
    const { tree, chunks } = initParams(nowhereZero(net), rng(3));
    const labels: Labels = net.parameters["label_emb.weight"] ? { label: [2, 0] } : {};
    const run = (net: Net) =>
      evaluate(() => {
        const x = rng(4).normal([2, 8, 12, 3]);
        const r = rng(5).normal([2, 8, 12, 3]);
        return valueAndGrad((p: { x: Tensor; params: Params }) =>
          sum(mul(net.apply(p.params, p.x, [3.5, 0.25], labels), r)),
        )({ x, params: tree });
      });
    const [plain, light] = [await run(net), await run(checkpointed(net))];
    dispose([tree, chunks]);
    expect(light.value).toEqual(plain.value);
    expectClose(light.grad.x, plain.grad.x, { l2: 1e-6 });
    expect(light.grad.x.some((v) => v !== 0)).toBe(true);
    // against all of them together: of some the gradient is zero but for rounding, as of a bias before a norm
    expectClose(all(light.grad.params), all(plain.grad.params), { l2: 1e-6 });
  });

/** The most that a gradient takes beside the parameters, their gradients and packed forms; as it is and checkpointed. */
async function activations(net: Net, shape: readonly number[]): Promise<[plain: number, light: number]> {
  const { tree, chunks } = initParams(net, rng(3));
  const { pool } = gpu();
  const x = rng(4).normal(shape);
  const step = async (by: Net) => {
    pool.peakBytes = pool.liveBytes;
    const { value, grad } = valueAndGrad((p: Params) => mean(by.apply(p, x, 3)))(tree);
    const stays = pool.liveBytes;
    dispose([value, grad]);
    await gpu().idle();
    return pool.peakBytes - stays;
  };
  await step(net); // packs weights
  const both: [number, number] = [await step(net), await step(checkpointed(net))];
  dispose([tree, chunks, x]);
  return both;
}

const shipped = () => {
  const path = new URL("../../models/prior.safetensors", import.meta.url);
  return prior(parseSafetensors(readFileSync(path)).metadata).net;
};
const CASES: [name: string, net: () => Net, shape: number[]][] = [
  ["the prior", shipped, [4, 64, 64, 3]],
  [
    "ADM FFHQ with an eighth of the channels",
    () => officialAdm({ ...ADM.ffhq256, model_channels: 32 }),
    [4, 64, 64, 3],
  ],
];
for (const [name, make, shape] of CASES)
  test(`${name}: activations of at most 40 %`, async () => {
    const [plain, light] = await activations(make(), shape);
    console.log(
      `${name}: ${(plain / 2 ** 20).toFixed(1)} MiB, checkpointed ${(light / 2 ** 20).toFixed(1)}, ${((100 * light) / plain).toFixed(0)} %`,
    );
    expect(light).toBeLessThan(0.4 * plain);
  });
