import { expect, test } from "vitest";
import { rng } from "../kernels/random.ts";
import { loadMri } from "../src/architectures_mri.ts";
import { loadReconstructor } from "../src/architectures_posterior.ts";
import { METHODS } from "../src/recipes.ts";
import { type Made, type Method, valuesOf } from "../src/recipes_shared.ts";
import { dispose, scope } from "../src/tensor/scope.ts";
import { tensor } from "../src/tensor/tensor.ts";
import { centreOf } from "../src/train/mri_centre.ts";
import { type MriBatch, operatorOf } from "../src/train/mri_data.ts";
import { evaluate, withGpu } from "./lib/gpu.ts";

withGpu();

const grey = {
  ...{ name: "grey", count: 3, width: 16, height: 16, channels: 1 as const },
  tile: (i: number, out: Uint8Array) => void out.forEach((_, k) => (out[k] = (40 * i + 7 * (k % 16)) % 256)),
};
const make = async (name: string, given: Record<string, unknown>): Promise<Made> => {
  const method = METHODS[name] as Method;
  const values = valuesOf(method, { size: 16, coils: 2, patterns: "gaussian2d:2", ...given });
  return method.make(values as never, { data: [{ tiles: grey, weight: 1 }] });
};
const SMALL = {
  varnet: { cascades: 1, channels: 2, pools: 1, sensChannels: 2, sensPools: 1 },
  ssdiffrecon: { blocks: 1, channels: 4, latents: 2, width: 4, layers: 2 },
  "diff-unfolding-mri": { iterations: 1, channels: 4, multipliers: "1,2" },
};

test.each(["varnet", "ssdiffrecon"] as const)("%s: its file gives the same picture from k-space", async (name) => {
  const { recipe, files } = await make(name, SMALL[name]);
  const params = recipe.init(rng(1));
  const bytes = (await files(params.tree, {}))["reconstructor.safetensors"] as Uint8Array;
  using network = await loadMri(bytes);
  expect(network.kind).toBe(name);
  const batch = (await (await make("varnet", SMALL.varnet)).recipe.batch(rng(2))) as MriBatch;
  const mask = await batch.mask.read();
  expect(await batch.centre.read()).toEqual(centreOf(mask, [16, 16]));
  const got = await evaluate(() => {
    const measured = { A: operatorOf(batch), y: batch.y, mask, seed: 1 };
    return {
      x: network.reconstruct({ ...measured, support: undefined }),
      none: network.reconstruct({ ...measured, support: tensor([16, 16, 1], new Float32Array(256)) }),
    };
  });
  const wide = name === "varnet" ? 1 : 2;
  expect(got.x).toHaveLength(256 * wide);
  expect(got.x.every(Number.isFinite) && got.x.some((v) => v !== 0)).toBe(true);
  if (wide === 2) expect(got.none.every((v) => v === 0)).toBe(true);
  dispose([batch, params.chunks, Object.values(params.tree)]);
});

test("Diff-Unfolding's file is a reconstructor of two channels; another kind, or pattern, is named", async () => {
  const { recipe, files, about } = await make("diff-unfolding-mri", SMALL["diff-unfolding-mri"]);
  expect(about).toMatch(/parameters/);
  const params = recipe.init(rng(1));
  const bytes = (await files(params.tree, {}))["reconstructor.safetensors"] as Uint8Array;
  using network = await loadReconstructor(bytes);
  expect(network.kind).toBe("diff_unfolding");
  await expect(loadMri(bytes)).rejects.toThrow(/expected a VarNet or an SSDiffRecon, got diff_unfolding/);
  const split = await make("diff-unfolding-mri", { ...SMALL["diff-unfolding-mri"], supervised: "split", keep: 0.8 });
  const batch = await split.recipe.batch(rng(3));
  const loss = scope(() => split.recipe.loss(params.tree, batch, { step: 0, random: rng(4), scalars: {} }));
  expect(Number.isFinite((await loss.read())[0])).toBe(true);
  dispose([batch, loss, params.chunks, Object.values(params.tree)]);
  await expect(make("varnet", { ...SMALL.varnet, patterns: "spiral:4" })).rejects.toThrow(
    /--patterns expects some of .*, got spiral:4/,
  );
});
