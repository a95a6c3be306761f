import { expect, test } from "vitest";
import { rng } from "../../kernels/random.ts";
import { loadDenoiser, loadTrainable, prior } from "../../src/catalogue.ts";
import { precondition } from "../../src/diffusion/precondition.ts";
import { initParams } from "../../src/nets/net.ts";
import { identity } from "../../src/physics/identity.ts";
import { METHODS } from "../../src/recipes.ts";
import { smallMetadata } from "../../src/recipes_edm.ts";
import { valuesOf } from "../../src/recipes_shared.ts";
import { consistency } from "../../src/solvers/consistency.ts";
import { latino } from "../../src/solvers/latino.ts";
import { restore } from "../../src/solvers/solver.ts";
import { dispose, scope } from "../../src/tensor/scope.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { averaged, train, training } from "../../src/train/trainer.ts";
import { paramBytes } from "../../src/weights/params.ts";
import { expectClose } from "../lib/close.ts";
import { withGpu } from "../lib/gpu.ts";

withGpu();

const grey = {
  name: "ramps",
  width: 8,
  height: 8,
  channels: 3,
  count: 4,
  async tile(i: number, into: Uint8Array) {
    into.forEach((_, k) => {
      into[k] = (40 * i + 3 * k) % 256;
    });
  },
} as const;

test("by its name: from a prior's file to a few-step model's file, which samples and restores", async () => {
  const metadata = smallMetadata({ size: 8, channels: 32, multipliers: [1], blocks: 1, spaceToDepth: 2 });
  const { net } = prior(metadata);
  const begin = initParams(net, rng(4));
  const bytes = await paramBytes(begin.tree, { metadata });
  dispose([begin.tree, begin.chunks]);
  const network = await loadTrainable(bytes);
  const { consistency: method } = METHODS;
  if (!method) throw new Error("no method");
  const values = valuesOf(method, { size: 8, batch: 2, steps: 3, lr: 1e-3, warmup: 0 });
  const made = await method.make(values, { data: [{ tiles: grey as never, weight: 1 }], prior: network });
  const run = training(made.recipe);

  // the student begins as the teacher's own network, under the other preconditioning
  for (const [name, t] of Object.entries(network.params).slice(0, 3))
    expectClose(await (run.optimiser.params.tree[name] as Tensor).read(), await t.read(), { l2: 1e-12 });
  const schedule = { lr: 1e-3, lrEnd: 1e-3, warmup: 0, steps: 3 };
  const losses: number[] = [];
  for await (const { loss } of train(run, { schedule, every: 1, emaDecay: 0.95 })) losses.push(loss);
  expect(losses.length).toBe(3);
  expect(losses.every((l) => Number.isFinite(l) && l > 0)).toBe(true);

  const { params } = averaged(run);
  const file = (await made.files(params, {}))["prior.safetensors"] as Uint8Array;
  const f = await loadDenoiser(file, { overlap: 0 });
  expect(f.description).toContain("consistency, sigma 0.004 to 60");
  const x = scope(() => rng(1).normal([1, 8, 8, 3]));
  const [own, same, at] = scope(() => {
    const of = precondition.consistency(prior({ ...metadata, precondition: "consistency" }).F(params), {
      ...{ channels: 3, multipleOf: 2, sigmaMin: 0.004, sigmaMax: 60 },
    });
    return [of(x, 0.7), f(x, 0.7), f(x, 0.004)] as const;
  });
  expectClose(await same.read(), await own.read(), { l2: 2e-3 }); // saved as halves
  expectClose(await at.read(), await x.read(), { l2: 1e-6 }); // at its lowest level the picture itself
  const drawn = await restore({ denoiser: f, shape: [2, 8, 8, 3] }, consistency({ steps: 2 }));
  expect(drawn.shape).toEqual([2, 8, 8, 3]);
  const problem = {
    y: tensor([1, 8, 8, 3], new Float32Array(192).fill(0.2)),
    A: identity([8, 8, 3]),
    sigmaNoise: 0.1,
    denoiser: f,
  };
  const restored = await restore(problem, latino({ times: [499, 124] }));
  dispose([x, own, same, at, drawn, problem.y, restored]);
  f[Symbol.dispose]();
  run[Symbol.dispose]();
  network[Symbol.dispose]();

  const again = await loadTrainable(file);
  expect(again.edm).toBeUndefined();
  expect(() => method.make(values, { data: [], prior: again })).toThrow("a prior of `proxel train edm`");
  again[Symbol.dispose]();
});
