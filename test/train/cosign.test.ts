import { expect, test } from "vitest";
import { mul } from "../../kernels/broadcast.ts";
import { rng } from "../../kernels/random.ts";
import { valueAndGrad } from "../../src/autograd/vjp.ts";
import { gaussian } from "../../src/diffusion/gaussian.ts";
import { precondition } from "../../src/diffusion/precondition.ts";
import { admUnet } from "../../src/nets/adm_unet.ts";
import { controlNet } from "../../src/nets/controlnet.ts";
import { initParams } from "../../src/nets/net.ts";
import { superResolution } from "../../src/physics/downsample.ts";
import { cosign } from "../../src/solvers/cosign.ts";
import { restore } from "../../src/solvers/solver.ts";
import { dispose, scope } from "../../src/tensor/scope.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { consistencyGrid } from "../../src/train/consistency.ts";
import { cosignLoss, cosignModel, cosignTraining, guided, hintOf } from "../../src/train/cosign.ts";
import { train, training } from "../../src/train/trainer.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals } from "../lib/random.ts";

withGpu();

test("the loss and its gradient, of a model a x, against doubles", async () => {
  const [N, size] = [3, 2 * 3 * 3];
  const images = asF32(normals(N * size, 1).map((v) => 0.4 * v));
  const levels = consistencyGrid({ sigmaMin: 0.002, sigmaMax: 80 });
  const out = await evaluate(() => {
    const x0 = tensor([N, 2, 3, 3], images);
    const f = (a: Tensor) =>
      Object.assign((x: Tensor) => mul(x, a), { sigmaMin: 0.002, sigmaMax: 80, channels: 3, multipleOf: 1 });
    const twin = rng(4);
    const s = Array.from({ length: N }, () => levels[twin.integer(0, 38)] as number);
    return {
      ...valueAndGrad((a: Tensor) => cosignLoss(f(a), x0, rng(4)))(tensor([1], [0.3])),
      s,
      z: twin.normal(x0.shape),
    };
  });
  let [loss, slope] = [0, 0];
  const a = Math.fround(0.3);
  images.forEach((x0, i) => {
    const x = x0 + (out.s[Math.floor(i / size)] as number) * (out.z[i] as number);
    loss += (a * x - x0) ** 2 / images.length;
    slope += (2 * (a * x - x0) * x) / images.length;
  });
  expectClose(out.value, [loss], { l2: 1e-5 });
  expectClose(out.grad, [slope], { l2: 1e-5 });
});

const net = admUnet({ resolution: 4, channels: 32, multipliers: [1], blocks: 1, inChannels: 12, outChannels: 12 });
const control = controlNet(net, { block: 2 });
const A = scope(() => superResolution([8, 8, 3], 2));

/** Flat pictures of random colours: what a measurement tells of in full. */
const pictures = (random: ReturnType<typeof rng>, count: number) =>
  scope(() => {
    const values = new Float32Array(count * 192);
    for (let n = 0; n < count; n++) {
      const colour = [0, 1, 2].map(() => 1.4 * random.number() - 0.7);
      for (let i = 0; i < 192; i++) values[192 * n + i] = colour[i % 3] as number;
    }
    return tensor([count, 8, 8, 3], values);
  });

test("a control learns to guide a frozen model by measurements, and the solver uses it", async () => {
  const parameters = Object.fromEntries(
    Object.entries(net.parameters).map(([name, spec]) => [
      name,
      spec.init === 0 ? { ...spec, init: { std: 0.1 } } : spec,
    ]),
  );
  const { tree: base, chunks } = initParams({ parameters }, rng(3));
  const before = await (base["out.2.weight"] as Tensor).read();
  const recipe = cosignTraining({
    control,
    base,
    levels: [80, 0.002],
    batch: async (random) =>
      scope(() => {
        const x0 = pictures(random, 8);
        return { x0, hint: hintOf(A, A.apply(x0)) };
      }),
  });
  const run = training(recipe, { adam: { maxNorm: 1 } });
  const plain = await evaluate(() => {
    const x = tensor([1, 8, 8, 3], normals(192, 2));
    const options = { channels: 3, multipleOf: 2 };
    const seen = precondition.consistency(
      (v, label) => controlNet(net, { block: 2 }).apply(run.optimiser.params.tree, v, label, v, base),
      options,
    );
    return [guided(control, run.optimiser.params.tree, base, x, {})(x, 0.3), seen(x, 0.3)];
  });
  expect(plain[0]).toEqual(plain[1]); // no hint has a say yet

  const trial = async () => {
    const batch = await recipe.batch(rng(77));
    const at = { step: 0, random: rng(78), scalars: {} };
    const [loss] = await evaluate(() => recipe.loss(run.optimiser.params.tree, batch, at));
    dispose(batch);
    return loss as number;
  };
  const first = await trial();
  const schedule = { lr: 2e-3, lrEnd: 1e-3, warmup: 0, steps: 60 };
  for await (const _ of train(run, { schedule, every: 60, emaDecay: 0.8 }));
  const last = await trial();
  console.log(`loss ${first.toFixed(3)}, after 60 steps ${last.toFixed(3)}`);
  expect(last).toBeLessThan(0.8 * first);
  expect(await (base["out.2.weight"] as Tensor).read()).toEqual(before);

  const truth = pictures(rng(8), 2);
  const y = scope(() => A.apply(truth));
  const model = cosignModel(control, run.optimiser.ema.tree, base);
  const x = await restore(
    { y, A, sigmaNoise: 0, denoiser: gaussian({ channels: 3 }), model },
    cosign({ at: [0], hard: true }),
  );
  const again = await evaluate(() => A.apply(x));
  expectClose(again, await y.read(), { l2: 1e-4 }); // held to the measurement
  dispose([truth, y, x, base, chunks]);
  run[Symbol.dispose]();
});
