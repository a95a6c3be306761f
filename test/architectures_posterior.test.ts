import { expect, test } from "vitest";
import { add, mul } from "../kernels/broadcast.ts";
import { rng } from "../kernels/random.ts";
import {
  asModel,
  loadReconstructor,
  type Posterior,
  posterior,
  posteriorMetadata,
} from "../src/architectures_posterior.ts";
import { initParams } from "../src/nets/net.ts";
import { blur } from "../src/physics/blur.ts";
import { hdr } from "../src/physics/hdr.ts";
import { METHODS } from "../src/recipes.ts";
import { settingsOf, valuesOf } from "../src/recipes_shared.ts";
import { dispose, scope } from "../src/tensor/scope.ts";
import { tensor } from "../src/tensor/tensor.ts";
import { paramBytes } from "../src/weights/params.ts";
import { expectClose } from "./lib/close.ts";
import { evaluate, withGpu } from "./lib/gpu.ts";
import { normals } from "./lib/random.ts";

withGpu();

const tiny = { img_resolution: 8, model_channels: 8, channel_mult: [1, 2], num_blocks: 1, attn_resolutions: [] };
const iddpm = { ...tiny, precond: "iDDPMPrecond", img_channels: 3 } as const;

test.each<[Posterior["kind"], Parameters<typeof posteriorMetadata>[1], string]>([
  [
    "diff_unfolding",
    { network: { ...tiny, img_channels: 12 }, spaceToDepth: 2, iterations: 2, tied: true },
    "2 networks",
  ],
  ["diff_unfolding", { network: iddpm, iterations: 2, unitNorm: true }, "2 networks"],
  ["cedm", { network: { ...tiny, img_channels: 12, in_channels: 24 }, spaceToDepth: 2 }, "parameters"],
])("a file of %s is loaded by what its metadata say", async (kind, options, words) => {
  const metadata = posteriorMetadata(kind, options);
  const made = posterior(metadata);
  const params = initParams(made.model, rng(1));
  // fresh last layers are zero; any weights will do
  const moved = scope(() =>
    Object.fromEntries(
      Object.entries(params.tree).map(([n, t]) => [n, add(t, mul(rng(8).normal(t.shape), tensor([], [0.1])))]),
    ),
  );
  const bytes = await paramBytes(moved, { metadata });
  const loaded = await loadReconstructor(bytes);
  expect(loaded.kind).toBe(kind);
  expect(loaded.description).toContain(words);
  expect(loaded.model.round).toBe(made.model.round === undefined ? undefined : loaded.model.round);
  const out = await evaluate(() => {
    const A = blur([16, 16, 3], { gaussian: 1 });
    const [x, y] = [1, 2].map((seed) => tensor([2, 16, 16, 3], normals(1536, seed))) as [never, never];
    const at = { x, sigma: 0.5 };
    return { want: asModel(made.model, moved)(y, A, at), got: loaded.model(y, A, at) };
  });
  expectClose(out.got, Float64Array.from(out.want), { l2: 1e-6 });
  expect(() => scope(() => loaded.model(tensor([1], [0]), hdr([16, 16, 3]), {}))).toThrow(
    "use the solver diff-unfolding",
  );
  loaded[Symbol.dispose]();
  dispose([moved, params.chunks, params.tree]);
});

test("other files are refused by what they say they are", () => {
  expect(() => posterior({ architecture: "adm_unet" }, "a.safetensors")).toThrow(
    "a.safetensors: expected the metadata of a network that sees the measurement (architecture diff_unfolding or cedm), got adm_unet",
  );
  expect(() => posterior({ architecture: "cedm", network: "{" }, "b")).toThrow("b: its metadata describe no network");
});

test.each(["diff-unfolding", "cedm"])("what `train %s` writes is such a file", async (name) => {
  const method = METHODS[name] as NonNullable<(typeof METHODS)[string]>;
  const sizes = { size: 16, batch: 1, channels: 8, multipliers: [1, 2], iterations: 2 };
  const given = Object.fromEntries(Object.entries(sizes).filter(([key]) => key in settingsOf(method)));
  const { recipe, files } = await method.make(valuesOf(method, given), { data: [] });
  const params = recipe.init(rng(1));
  const bytes = (await files(params.tree, {}))["reconstructor.safetensors"] as Uint8Array;
  using loaded = await loadReconstructor(bytes);
  expect(loaded.kind).toBe(name.replace("-", "_"));
  await expect(async () => method.make(valuesOf(method, { operators: "blur,fog" }), { data: [] })).rejects.toThrow(
    "--operators expects some of sr, blur",
  );
  dispose([params.chunks, params.tree]);
});
