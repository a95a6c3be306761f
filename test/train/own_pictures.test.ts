/** Adapters on pictures of one's own, from bytes to bytes: in Node, and by test/web in a page. */
import { expect, test } from "vitest";
import { rng } from "../../kernels/random.ts";
import { loadDenoiser, loadTrainable, prior } from "../../src/catalogue.ts";
import { pictureTiles } from "../../src/io/picture_tiles.ts";
import { scene } from "../../src/io/scene.ts";
import { initParams, type Params } from "../../src/nets/net.ts";
import { METHODS } from "../../src/recipes.ts";
import { smallMetadata } from "../../src/recipes_edm.ts";
import { type Method, scheduleOf, valuesOf } from "../../src/recipes_shared.ts";
import { dispose, scope } from "../../src/tensor/scope.ts";
import { loadLora } from "../../src/train/lora.ts";
import { averaged, train, training } from "../../src/train/trainer.ts";
import { paramBytes } from "../../src/weights/params.ts";
import { parseSafetensors } from "../../src/weights/safetensors.ts";
import { expectClose, relativeL2 } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";

withGpu();

/** The smallest prior there is, with weights that were never trained. */
async function untrained(): Promise<Uint8Array> {
  const metadata = smallMetadata({ size: 16, channels: 32, multipliers: [1], blocks: 1, spaceToDepth: 4 });
  const { chunks, tree } = initParams(prior(metadata).net, rng(1));
  const bytes = await paramBytes(tree, { metadata });
  dispose([chunks, tree]);
  return bytes;
}

test("adapters trained on a picture lower the loss, leave the base, and come back from their file", async () => {
  const method = METHODS.lora as Method;
  const bytes = await untrained();
  using base = await loadTrainable(bytes);
  const before = await paramBytes(base.params);
  const own = { rank: 2, layers: "blocks,middle", also: "^out.2", logMean: 1, logStd: 0.3 };
  const values = valuesOf(method, { ...own, steps: 8, size: 16, batch: 2, lr: 0.01, ema: 0.5, every: 4 });
  const tiles = pictureTiles([scene({ width: 16, height: 16 })], { size: 16 });
  const made = await method.make(values as never, { data: [{ tiles, weight: 1 }], prior: base });
  using run = training(made.recipe, { seed: 3 });
  const batch = await made.recipe.batch(rng(9));
  const loss = async (params: Params) => {
    const at = { step: 0, random: rng(8), scalars: {} };
    const value = scope(() => made.recipe.loss(params, batch, at));
    const [number] = await value.read();
    value.dispose();
    return number as number;
  };
  const first = await loss(run.optimiser.params.tree);
  const steps: number[] = [];
  for await (const report of train(run, { schedule: scheduleOf(values), emaDecay: 0.5, every: 4 })) {
    steps.push(report.step);
    expect(report.norm).toBeGreaterThan(0);
  }
  expect(steps).toEqual([4, 8]);
  const { params } = averaged(run);
  const last = await loss(params);
  expect(last).toBeLessThan(0.9 * first);
  expect(await paramBytes(base.params)).toEqual(before);

  // the file holds adapters and what was trained in full, and gives the same loss
  const saved = (await made.files(params, {}))["lora.safetensors"] as Uint8Array;
  const file = parseSafetensors(saved);
  const rest = file.names.filter((name) => !/\.parametrizations\.weight\.0\.lora_[AB]$/.test(name));
  expect(rest).toEqual(["out.2.weight", "out.2.bias"]);
  const back = loadLora(base.params, file);
  expect(await loss(back.adapters)).toBe(last);
  // and a denoiser that is told of it is the adapted one
  using plain = await loadDenoiser(bytes);
  using denoiser = await loadDenoiser(bytes, { lora: saved });
  const merged = { ...base, params: back.merge(back.adapters) };
  const [want, got, unadapted] = await evaluate(() => [
    merged.denoiser(merged.params)(batch, 2),
    denoiser(batch, 2),
    plain(batch, 2),
  ]);
  expectClose(got, want, { l2: 1e-5 });
  expect(relativeL2(unadapted, want)).toBeGreaterThan(1e-2);
  dispose([batch, back.flat.chunks, back.adapters]);
  dispose(Object.entries(merged.params).flatMap(([name, t]) => (t === base.params[name] ? [] : [t])));
});
