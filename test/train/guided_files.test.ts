import { expect, test } from "vitest";
import { rng } from "../../kernels/random.ts";
import { loadGuided } from "../../src/architectures_guided.ts";
import { loadTrainable, prior } from "../../src/catalogue.ts";
import { gaussian } from "../../src/diffusion/gaussian.ts";
import { initParams } from "../../src/nets/net.ts";
import { superResolution } from "../../src/physics/downsample.ts";
import { METHODS } from "../../src/recipes.ts";
import { smallMetadata } from "../../src/recipes_edm.ts";
import { type Given, type Made, type Method, valuesOf } from "../../src/recipes_shared.ts";
import { restore } from "../../src/solvers/solver.ts";
import { dispose, scope } from "../../src/tensor/scope.ts";
import { averaged, train, training } from "../../src/train/trainer.ts";
import { paramBytes } from "../../src/weights/params.ts";
import { withGpu } from "../lib/gpu.ts";

withGpu();

const ramps = {
  ...{ name: "ramps", width: 8, height: 8, channels: 3, count: 4 },
  async tile(i: number, into: Uint8Array) {
    into.forEach((_, k) => {
      into[k] = (40 * i + 3 * k) % 256;
    });
  },
};
const data = [{ tiles: ramps, weight: 1 }] as unknown as Given["data"];
const sizes = { size: 8, channels: 32, multipliers: [1], blocks: 1, spaceToDepth: 2 };

async function fileOf(made: Made): Promise<Uint8Array> {
  using run = training(made.recipe);
  const schedule = { lr: 1e-3, lrEnd: 1e-3, warmup: 0, steps: 2 };
  for await (const { loss } of train(run, { schedule, every: 1 })) expect(loss).toBeGreaterThan(0);
  return (await made.files(averaged(run).params, {}))["model.safetensors"] as Uint8Array;
}

/** Restores a small measurement with the file, and says what was called. */
async function use(bytes: Uint8Array, steps: number) {
  using guided = await loadGuided(bytes);
  const { A, y } = scope(() => {
    const A = superResolution([8, 8, 3], 4);
    return { A, y: A.apply(rng(1).normal([1, 8, 8, 3])) };
  });
  let calls = 0;
  const x = await restore(
    { y, A, sigmaNoise: 0.05, denoiser: gaussian({ channels: 3 }), model: guided.model },
    guided.solver({ steps }),
    {
      onStep: ({ nfe }) => {
        calls = nfe;
      },
    },
  );
  expect(x.shape).toEqual([1, 8, 8, 3]);
  dispose([x, y, A.holds]);
  return { name: guided.name, calls };
}

test.each([false, true])("i2sb by its name, the degraded picture shown: %s", async (condX1) => {
  const method = METHODS.i2sb as Method;
  const made = await method.make(valuesOf(method, { ...sizes, batch: 2, condX1, betaMax: 1, otOde: true }), { data });
  expect(await use(await fileOf(made), 3)).toEqual({ name: "i2sb", calls: 3 });
});

test("cosign by its name, on a few-step prior; another prior is refused", async () => {
  const metadata = { ...smallMetadata(sizes), precondition: "consistency", sigma_min: "0.004", sigma_max: "60" };
  const made = async (m: Record<string, string>) => {
    const begin = initParams(prior(m).net, rng(4));
    const bytes = await paramBytes(begin.tree, { metadata: m });
    dispose([begin.tree, begin.chunks]);
    return loadTrainable(bytes);
  };
  const method = METHODS.cosign as Method;
  const values = valuesOf(method, { size: 8, batch: 2 });
  using network = await made(metadata);
  const bytes = await fileOf(await method.make(values, { data, prior: network }));
  expect(await use(bytes, 2)).toEqual({ name: "cosign", calls: 2 });
  expect(await use(bytes, 1)).toEqual({ name: "cosign", calls: 1 });
  using other = await made(smallMetadata(sizes));
  expect(() => method.make(values, { data, prior: other })).toThrow("proxel train consistency");
});
