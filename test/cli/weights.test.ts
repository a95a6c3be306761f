// `proxel weights`: what a file holds, its copy as safetensors, and what its network gives, from the shell.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { rng } from "../../kernels/random.ts";
import { network } from "../../src/architectures.ts";
import { weights } from "../../src/cli/weights.ts";
import { ProxelError } from "../../src/errors.ts";
import { initParams } from "../../src/nets/net.ts";
import { ADM } from "../../src/recognise_adm.ts";
import { NCSNPP } from "../../src/recognise_score_sde.ts";
import { dispose } from "../../src/tensor/scope.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { formatSafetensors, parseSafetensors, type StoredType, widen } from "../../src/weights/safetensors.ts";
import { expectClose } from "../lib/close.ts";
import { folder, json, proxel } from "../lib/command.ts";
import { shared, stored } from "../lib/golden.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { seeded } from "../lib/seeded.ts";

withGpu();

const config = {
  image_size: 16,
  in_channels: 3,
  model_channels: 32,
  out_channels: 6,
  num_res_blocks: 1,
  attention_resolutions: [2],
  channel_mult: [1, 1],
  num_head_channels: 16,
  use_scale_shift_norm: true,
  resblock_updown: true,
  use_new_attention_order: false,
};
type Stored = Record<string, { dtype: StoredType; shape: readonly number[]; bytes: Uint8Array }>;
const f32 = (values: ArrayLike<number>) => new Uint8Array(Float32Array.from(values).buffer);

/** A tiny ADM as a trainer might save it: behind a prefix, with a tensor that belongs to nobody. */
async function checkpoint(): Promise<{ tensors: Stored; tree: Record<string, Tensor> }> {
  const { tree, chunks } = initParams(network(ADM, config), rng(1));
  dispose(chunks);
  const tensors: Stored = { "loss.scale": { dtype: "F32", shape: [1], bytes: f32([1]) } };
  for (const [name, t] of Object.entries(tree))
    tensors[`model.${name}`] = { dtype: "F32", shape: t.shape, bytes: f32(await t.read()) };
  return { tensors, tree };
}

test("inspect, convert and forward of a checkpoint with a prefix", async () => {
  const dir = folder();
  const at = (name: string) => join(dir, name);
  const { tensors, tree } = await checkpoint();
  writeFileSync(at("a.safetensors"), formatSafetensors(tensors));
  const x = seeded("x", 2 * 3 * 16 * 16);
  const t = [500, 20.5];
  const input = {
    x: { dtype: "F32", shape: [2, 3, 16, 16], bytes: f32(x) },
    timesteps: { dtype: "F32", shape: [2], bytes: f32(t) },
  } as const;
  writeFileSync(at("in.safetensors"), formatSafetensors(input));
  writeFileSync(at("config.json"), JSON.stringify({ official_class: ADM, config }));
  const { y } = await evaluate(() => ({
    y: network(ADM, config).forward(tree, tensor([2, 3, 16, 16], x), new Map([["timesteps", { shape: [2], data: t }]])),
  }));
  dispose(tree);

  const seen = await proxel("weights", "inspect", at("a.safetensors"), "--json");
  expect(seen.code, seen.stderr).toBe(0);
  const told = json(seen);
  expect(told).toMatchObject({ architecture: ADM, format: "safetensors", missing: [], unused: [], misshapen: [] });
  expect(told.config).toMatchObject({ model_channels: 32, channel_mult: [1, 1], resblock_updown: true });
  expect(Object.keys(told.open)).toEqual(["num_head_channels", "use_new_attention_order"]);
  expect(told.notes.join()).toMatch(/names begin with model\..*1 tensors outside model\. are left aside/);
  expect(told.parameters).toBe(Object.values(tree).reduce((sum, { size }) => sum + size, 0));
  expect(told.tensors[1]).toEqual({ name: "model.time_embed.0.weight", dtype: "F32", shape: [128, 32] });
  const text = (await proxel("weights", "inspect", at("a.safetensors"))).stdout;
  expect(text).toMatch(
    /architecture {2}ADM U-Net.*\nparameters {4}354,822 in 143 tensors \(143 F32\)\nconfig {8}image_size 16/,
  );
  expect(text).toMatch(/\n {2}model\.out\.2\.bias +F32 +\[6\]\n/);

  const run = ["weights", "forward", at("a.safetensors"), "--input", at("in.safetensors"), "-o", at("y.safetensors")];
  const refused = await proxel(...run);
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringMatching(/num_head_channels: no tensor shows it/)]);
  const ran = await proxel(...run, "--config", at("config.json"));
  expect(ran.code, ran.stderr).toBe(0);
  const out = parseSafetensors(readFileSync(at("y.safetensors")));
  expect(out.names).toEqual(["y"]);
  expect(out.entry("y")).toMatchObject({ dtype: "F32", shape: [2, 6, 16, 16] });
  expectClose(widen(out.entry("y")), y, { l2: 1e-6 });
  expect((await proxel(...run, "--config", at("config.json"))).stderr).toMatch(/y\.safetensors: exists already/);

  // a copy in f16: names of the network's own, matrices rounded, and what was known is not asked again
  writeFileSync(
    at("config.safetensors"),
    formatSafetensors(tensors, { architecture: ADM, config: JSON.stringify(config) }),
  );
  const halved = await proxel(
    "weights",
    "convert",
    at("config.safetensors"),
    "-o",
    at("h.safetensors"),
    "--dtype",
    "f16",
  );
  expect(halved.code, halved.stderr).toBe(0);
  const copy = parseSafetensors(readFileSync(at("h.safetensors")));
  expect(copy.names).toEqual(Object.keys(network(ADM, config).parameters));
  expect(JSON.parse(copy.metadata.config as string)).toMatchObject(config);
  expect([copy.entry("out.2.weight").dtype, copy.entry("out.2.bias").dtype]).toEqual(["F16", "F32"]);
  const again = await proxel(
    ...["weights", "forward", at("h.safetensors"), "--input", at("in.safetensors"), "-o", at("h.y.safetensors")],
  );
  expect(again.code, again.stderr).toBe(0);
  expectClose(widen(parseSafetensors(readFileSync(at("h.y.safetensors"))).entry("y")), y, { l2: 5e-3 });
  expect(readdirSync(dir).filter((name) => name.endsWith(".part"))).toEqual([]);
});

test("what cannot be done is said in one line; its exit code is 2", async () => {
  const dir = folder();
  const at = (name: string) => join(dir, name);
  const { tensors, tree } = await checkpoint();
  dispose(tree);
  const { "model.out.2.bias": _, ...cut } = tensors;
  writeFileSync(at("cut.safetensors"), formatSafetensors(cut));
  writeFileSync(
    at("odd.safetensors"),
    formatSafetensors({ a: { dtype: "I32", shape: [2], bytes: new Uint8Array(8) } }),
  );
  writeFileSync(at("junk.pt"), "this is no checkpoint");
  writeFileSync(at("x.safetensors"), formatSafetensors({ x: { dtype: "F32", shape: [1], bytes: f32([1]) } }));
  writeFileSync(at("c.json"), JSON.stringify({ official_class: ADM, config }));
  writeFileSync(at("bad.json"), "{");
  writeFileSync(at("proto.json"), JSON.stringify({ official_class: "constructor", config }));
  writeFileSync(at("other.json"), JSON.stringify({ official_class: "nobody's", config }));
  const forward = (file: string, c: string, input = "x.safetensors") =>
    ["forward", at(file), "--input", at(input), "-o", at("y.safetensors"), "--config", at(c)] as const;
  const cases: [args: readonly string[], says: RegExp][] = [
    [[], /expected inspect, convert or forward, got nothing/],
    [["inspct", "x"], /got inspct; did you mean inspect\?/],
    [["constructor", "x"], /expected inspect, convert or forward, got constructor/],
    [["inspect"], /inspect which file\?/],
    [["inspect", at("none.pt")], /none\.pt: no such file/],
    [["inspect", at("junk.pt")], /expected safetensors, a torch checkpoint/],
    [["inspect", at("odd.safetensors"), "--dtype", "f16"], /--dtype is not for inspect/],
    [["convert", at("odd.safetensors")], /say where it goes/],
    [["convert", at("odd.safetensors"), "-o", at("o.pt")], /ends in \.safetensors/],
    [
      ["convert", at("odd.safetensors"), "-o", at("o.safetensors"), "--dtype", "int8"],
      /--dtype expects one of f16, f32/,
    ],
    [["convert", at("odd.safetensors"), "-o", at("o.safetensors"), "--ema", "--no-ema"], /give one of them/],
    [forward("cut.safetensors", "c.json"), /the weights do not fit: 1 missing \(out\.2\.bias\)/],
    [forward("odd.safetensors", "bad.json"), /bad\.json: expected JSON/],
    [forward("odd.safetensors", "proto.json"), /expected an official_class of guided_diffusion/],
    [forward("odd.safetensors", "none.json"), /none\.json: no such file/],
    [forward("odd.safetensors", "."), /a file was expected/],
    [forward("odd.safetensors", "odd.safetensors"), /^\P{Cc}*expected JSON\P{Cc}*$/u],
    [forward("odd.safetensors", "other.json"), /expected an official_class of guided_diffusion/],
    [forward("odd.safetensors", "c.json"), /nearest network is guided_diffusion.*142 missing.*1 unused \(a\)/],
  ];
  for (const [args, says] of cases) {
    const refused = await weights([...args]).then(
      () => undefined,
      (error: Error) => error,
    );
    expect(refused?.message, args.join(" ")).toMatch(says);
    expect(refused?.message.split("\n"), refused?.message).toHaveLength(1);
    // what main() takes for bad input
    expect(refused instanceof ProxelError || refused instanceof TypeError, args.join(" ")).toBe(true);
  }
  writeFileSync(at("whole.safetensors"), formatSafetensors(tensors));
  const ran = await proxel("weights", ...forward("whole.safetensors", "c.json"));
  expect([ran.code, ran.stderr]).toEqual([
    2,
    expect.stringMatching(/takes x, timesteps; timesteps is missing, there is x/),
  ]);
  const shaped: [shape: number[], says: RegExp][] = [
    [
      [1, 1, 16, 16],
      /x \[N, 3, H, W\] with H and W multiples of 2, got \[1, 1, 16, 16\]; give NCHW with the 3 channels/,
    ],
    [[3, 16, 16], /got \[3, 16, 16\]; give NCHW/],
    [[1, 3, 16, 15], /big\.safetensors: ADM U-Net.* multiples of 2, got \[1, 3, 16, 15\]; pad or crop it/],
  ];
  for (const [shape, says] of shaped) {
    const x = { dtype: "F32", shape, bytes: f32(new Float32Array(shape.reduce((a, b) => a * b))) } as const;
    const timesteps = { dtype: "F32", shape: [1], bytes: f32([5]) } as const;
    writeFileSync(at("big.safetensors"), formatSafetensors({ x, timesteps }));
    await expect(weights([...forward("whole.safetensors", "c.json", "big.safetensors")])).rejects.toThrow(says);
  }
  const unknown = await proxel("weights", "inspect", at("odd.safetensors"), "--json");
  expect(json(unknown)).toMatchObject({
    architecture: null,
    parameters: 2,
    why: expect.stringMatching(/known network/),
  });
});

test("a copy of a network that lacks tensors is written, and says so", async () => {
  const dir = folder();
  const { tensors, tree } = await checkpoint();
  dispose(tree);
  const { "model.out.2.bias": _, ...cut } = tensors;
  cut["model.out.2.weight"] = { dtype: "F32", shape: [6, 31, 3, 3], bytes: new Uint8Array(4 * 6 * 31 * 9) };
  const [from, to] = [join(dir, "cut.safetensors"), join(dir, "copy.safetensors")];
  const said = vi.spyOn(console, "error").mockImplementation(() => {});
  const convert = async (held: typeof cut) => {
    writeFileSync(from, formatSafetensors(held));
    said.mockClear();
    expect(await weights(["convert", from, "-o", to, "-f"])).toBe(0);
    return said.mock.calls.join("\n");
  };
  try {
    const lines = await convert(cut);
    expect(lines).toContain(
      `weights convert: ${from}: 1 missing (out.2.bias), 1 misshapen (out.2.weight expects [6,32,3,3], got [6,31,3,3]): written without a configuration`,
    );
    expect(parseSafetensors(readFileSync(to)).metadata).not.toHaveProperty("architecture");
    expect(await convert(tensors)).not.toMatch(/weights convert:/);
  } finally {
    said.mockRestore();
  }
});

test("a score_sde checkpoint as it was released, averaged or not", async () => {
  const file = shared("golden/ncsnpp_residual.pt");
  const io = stored("golden/ncsnpp_residual.io.safetensors");
  if (!file || !io) return;
  const out = join(folder(), "y.safetensors");
  const run = [
    "weights",
    "forward",
    file,
    "--input",
    shared("golden/ncsnpp_residual.io.safetensors") as string,
    "-o",
    out,
    "-f",
  ];
  const { code, stderr } = await proxel(...run);
  expect(code, stderr).toBe(0);
  const wanted = (io.get("y") as { data: Float64Array }).data;
  expectClose(widen(parseSafetensors(readFileSync(out)).entry("y")), wanted, { l2: 3e-4 });
  expect(stderr).toMatch(/relative L2 difference from the y of the input: \d\.\de-[56]/);
  const trained = await proxel(...run, "--no-ema");
  expect(Number(/input: (\S+)/.exec(trained.stderr)?.[1]), "the model beside the average is another").toBeGreaterThan(
    1e-2,
  );
  const told = json(await proxel("weights", "inspect", file, "--json"));
  expect(told).toMatchObject({ architecture: NCSNPP, format: "torch-zip", part: "ema.shadow_params", unused: [] });
});
