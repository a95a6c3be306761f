/** Files that PyTorch wrote, whole, cut short and of bad intent: read right, or refused with a reason. */
import { readFileSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import { type OpenWeightsOptions, openWeights, type Weights } from "../../src/weights/open.ts";
import { parseSafetensors, widen } from "../../src/weights/safetensors.ts";
import { shared } from "../lib/golden.ts";

const file = (name: string): string => shared(`golden/${name}`) as string;
const json = (name: string) => JSON.parse(readFileSync(file(name), "utf8"));
const values = async (weights: Weights, name: string): Promise<number[]> => [...widen(await weights.read(name))];

const open: Weights[] = [];
afterEach(async () => {
  for (const weights of open.splice(0)) await weights.close();
});
async function opened(path: string, options?: OpenWeightsOptions): Promise<Weights> {
  open.push(await openWeights(path, options));
  return open.at(-1) as Weights;
}

/** Every tensor of a file is, bit for bit, that of a safetensors file, and there are no others. */
async function same(weights: Weights, reference: string): Promise<void> {
  const want = parseSafetensors(new Uint8Array(readFileSync(file(reference))));
  expect([...weights.names].sort()).toEqual([...want.names].sort());
  for (const name of want.names) {
    const { dtype, shape, bytes } = want.entry(name);
    const got = await weights.read(name);
    expect([got.dtype, got.shape], name).toEqual([dtype, shape]);
    expect(Buffer.compare(got.bytes, bytes), name).toBe(0);
  }
}

const there = shared("golden/formats/state_expected.json") !== undefined;
if (!there) console.log("skipped: no reference files golden/formats; set PROXEL_SHARED to a folder that has them");

const TYPES: Record<string, string> = {
  float32: "F32",
  float64: "F64",
  float16: "F16",
  bfloat16: "BF16",
  int64: "I64",
  int32: "I32",
  int16: "I16",
  int8: "I8",
  uint8: "U8",
  bool: "BOOL",
};

test.skipIf(!there).each(["zip_state.pt", "zip_state_proto4.pt", "legacy_state.pt"])("state_dict %s", async (name) => {
  const weights = await opened(file(`formats/${name}`));
  const expected = json("formats/state_expected.json");
  expect(weights.names).toEqual(Object.keys(expected));
  expect([weights.format, weights.part]).toEqual([name.startsWith("zip") ? "torch-zip" : "torch-legacy", ""]);
  for (const [key, want] of Object.entries(expected) as [
    string,
    { dtype: string; shape: number[]; values: number[] },
  ][]) {
    expect(weights.info(key), key).toEqual({ dtype: TYPES[want.dtype], shape: want.shape });
    expect(await values(weights, key), key).toEqual(want.values);
  }
});

test.skipIf(!there).each(["zip_checkpoint.pt", "legacy_checkpoint.pt"])("checkpoint %s", async (name) => {
  const want = json("formats/checkpoint_expected.json");
  const ema = await opened(file(`formats/${name}`));
  expect([ema.part, ema.names]).toEqual(["ema.shadow_params", ["0.weight", "0.bias", "1.weight", "1.bias"]]);
  for (const [i, key] of ema.names.entries()) expect(await values(ema, key), key).toEqual(want.shadow_params[i]);
  const { step, name: label, none, flag, tuple, neg, size, ema: more } = ema.about;
  expect({ step, name: label, none, flag, tuple, neg, size }).toEqual({
    step: want.step,
    name: want.name,
    none: want.none,
    flag: want.flag,
    tuple: want.tuple,
    neg: want.neg,
    size: want.size,
  });
  expect(more).toMatchObject({ decay: 0.999, num_updates: 10 });
  const model = await opened(file(`formats/${name}`), { ema: false });
  expect([model.part, model.names]).toEqual(["model", ["0.weight", "0.bias", "1.weight", "1.bias"]]);
  for (const key of model.names) expect(await values(model, key), key).toEqual(want.model[`module.${key}`]);
});

test.skipIf(!there).each(["edm_snapshot_p3.pkl", "edm_snapshot_p4.pkl"])("EDM pickle %s", async (name) => {
  const weights = await opened(file(`formats/${name}`));
  await same(weights, "formats/edm_snapshot.safetensors");
  expect([weights.format, weights.part, weights.about.class_name]).toEqual(["edm-pickle", "ema", "EDMPrecond"]);
  expect(weights.about.init_kwargs).toMatchObject({ img_resolution: 8, model_type: "SongUNet" });
  expect(weights.about.modules).toMatchObject({ model: { class_name: "SongUNet" } });
  expect(JSON.stringify(weights.about)).not.toContain("source text");
});

test.skipIf(!there).each(["alex", "vgg"])("LPIPS head %s, written by Python 2", async (net) => {
  const weights = await opened(file(`formats/lpips_v0.1_${net}.pth`));
  await same(weights, `formats/lpips_v0.1_${net}.safetensors`);
  expect(weights.format).toBe("torch-legacy");
});

test.skipIf(!there)("numpy values beside tensors", async () => {
  const weights = await opened(file("formats/zip_with_numpy.pt"));
  expect(weights.names).toEqual(["w", "np_array"]);
  expect(await values(weights, "np_array")).toEqual([0, 1, 2]);
  expect(weights.about.np_scalar).toBe(2.5);
});

test.skipIf(!there).each([
  ["hostile_zip_getpid.pt", /refused: its pickle names (os|posix)\.getpid/],
  ["hostile_legacy_eval.pt", /refused: its pickle names builtins\.eval/],
  ["truncated_zip.pt", /no directory; is it truncated/],
  ["truncated_legacy.pt", /is it truncated|it ends at byte/],
])("refuses %s", async (name, why) => {
  await expect(opened(file(`formats/${name}`))).rejects.toThrow(why);
});

// official containers of whole networks; those of score_sde hold other numbers as `model` than as `ema`
test.skipIf(!there).each(["ncsnpp_residual", "ddpmpp_vp", "adm_updown", "edm_ddpmpp", "adm_lora"])(
  "%s.pt",
  async (stem) => {
    const weights = await opened(file(`${stem}.pt`));
    const want = parseSafetensors(new Uint8Array(readFileSync(file(`${stem}.safetensors`))));
    expect(want.names.filter((name) => !weights.has(name))).toEqual([]);
    for (const name of want.names) {
      const got = await weights.read(name);
      expect([got.dtype, got.shape], name).toEqual([want.entry(name).dtype, want.entry(name).shape]);
      expect(Buffer.compare(got.bytes, want.entry(name).bytes), name).toBe(0);
    }
  },
);
