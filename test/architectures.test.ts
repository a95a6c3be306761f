import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { ARCHITECTURES, network } from "../src/architectures.ts";
import { compare, identify, settled } from "../src/identify.ts";
import { countParameters, shapesOf } from "../src/nets/net.ts";
import { recognise } from "../src/recognise.ts";
import { ADM, ADM_LORA } from "../src/recognise_adm.ts";
import {
  DISCRIMINATOR,
  DNCNN,
  DNCNN_DEEPINV,
  DRUNET,
  INCEPTION,
  LPIPS,
  NORM_UNET,
  PESSER,
  RAM,
  TORCHVISION,
  VARNET,
} from "../src/recognise_others.ts";
import { NCSNPP } from "../src/recognise_score_sde.ts";
import { tensor } from "../src/tensor/tensor.ts";
import type { Weights } from "../src/weights/open.ts";
import { expectClose } from "./lib/close.ts";
import { golden, shared } from "./lib/golden.ts";
import { evaluate, withGpu } from "./lib/gpu.ts";

withGpu();

const adm = {
  image_size: 16,
  in_channels: 3,
  model_channels: 32,
  out_channels: 6,
  num_res_blocks: 2,
  attention_resolutions: [2],
  channel_mult: [1, 2],
  num_head_channels: 32,
  use_scale_shift_norm: true,
  resblock_updown: true,
};
const song = {
  model_type: "SongUNet",
  img_channels: 3,
  img_resolution: 16,
  model_channels: 16,
  channel_mult: [1, 2],
  num_blocks: 1,
  attn_resolutions: [8],
  channel_mult_emb: 4,
};
const ncsnpp = {
  nf: 16,
  ch_mult: [1, 1, 2],
  num_res_blocks: 2,
  attn_resolutions: [16],
  image_size: 32,
  num_channels: 3,
  fir: true,
  fir_kernel: [1, 3, 3, 1],
  skip_rescale: true,
  resblock_type: "biggan",
  progressive: "output_skip",
  progressive_input: "input_skip",
  progressive_combine: "sum",
  embedding_type: "fourier",
  fourier_scale: 16,
  scale_by_sigma: true,
  centered: false,
  sigma_min: 0.01,
  sigma_max: 50,
  num_scales: 1000,
  nonlinearity: "swish",
};
const EDM = "edm training.networks.";

const TINY: [architecture: string, config: Record<string, unknown>][] = [
  [ADM, adm],
  [ADM, { ...adm, resblock_updown: false, use_scale_shift_norm: false, num_classes: 5, channel_mult: [2, 1, 3] }],
  [ADM, { ...adm, channel_mult: [1], attention_resolutions: [], resblock_updown: false }],
  [ADM_LORA, { ...adm, base: ADM, rank: 3, alpha: 1.5, targets: ["qkv", "proj_out"] }],
  [NCSNPP, ncsnpp],
  [NCSNPP, { ...ncsnpp, progressive_combine: "cat" }],
  [NCSNPP, { ...ncsnpp, progressive: "none", progressive_input: "residual", num_res_blocks: 1 }],
  [`${EDM}EDMPrecond`, { ...song, augment_dim: 9, label_dim: 3, embedding_type: "positional", precond: "EDMPrecond" }],
  [
    `${EDM}VEPrecond`,
    {
      ...song,
      embedding_type: "fourier",
      channel_mult_noise: 2,
      encoder_type: "residual",
      resample_filter: [1, 3, 3, 1],
      precond: "VEPrecond",
    },
  ],
  [`${EDM}EDMPrecond`, { ...song, augment_dim: 9, encoder_type: "skip", decoder_type: "skip", precond: "EDMPrecond" }],
  [
    `${EDM}iDDPMPrecond`,
    { ...song, model_type: "DhariwalUNet", model_channels: 64, label_dim: 4, precond: "iDDPMPrecond" },
  ],
  [DRUNET, { in_nc: 4, out_nc: 3, nc: [8, 16, 24, 32], nb: 2 }],
  [DRUNET, { in_nc: 2, out_nc: 1, nc: [8, 8, 8, 8], nb: 1 }],
  [DNCNN, { in_nc: 1, out_nc: 1, nc: 8, nb: 5, act_mode: "R" }],
  [DNCNN, { in_nc: 3, out_nc: 3, nc: 8, nb: 4, act_mode: "BR" }],
  [DNCNN_DEEPINV, { in_channels: 1, out_channels: 1, depth: 6, nf: 8, bias: false }],
  [
    PESSER,
    {
      resolution: 64,
      in_channels: 1,
      out_ch: 1,
      ch: 32,
      ch_mult: [1, 1, 2],
      num_res_blocks: 2,
      attn_resolutions: [16],
    },
  ],
  [DISCRIMINATOR, { im_size: 64, in_channels: 3, out_channels: 1, num_layers: 5 }],
  [INCEPTION, { classes: 1008 }],
  [LPIPS, { net: "vgg" }],
  [LPIPS, { net: "alex" }],
  [LPIPS, { net: "squeeze" }],
  [`${TORCHVISION}.vgg16`, {}],
  [`${TORCHVISION}.alexnet`, {}],
  [`${TORCHVISION}.squeezenet1_1`, {}],
  [RAM, { in_channels: [1, 2, 3], nc: [4, 4, 8, 8], nb: 1 }],
  [NORM_UNET, { chans: 4, num_pools: 3 }],
  [VARNET, { num_cascades: 2, sens_chans: 4, sens_pools: 2, chans: 6, pools: 3 }],
];

describe("a network's own names say which it is", () => {
  test.each(TINY.map(([a, c], i) => [`${i} ${a} ${JSON.stringify(c).slice(0, 60)}`, a, c] as const))(
    "%s",
    (_, architecture, config) => {
      const shapes = shapesOf(network(architecture, config).parameters);
      const found = recognise(shapes);
      expect(found.architecture).toBe(architecture);
      for (const [key, value] of Object.entries(config))
        if (!(key in found.open) && !(key in found.assumed) && key !== "num_heads")
          expect(found.config[key], key).toEqual(value);
      const built = network(architecture, {
        ...found.config,
        ...(found.open.channels_per_head && { channels_per_head: 8 }),
      });
      expect(shapesOf(built.parameters)).toEqual(shapes);
    },
  );
});

/** A file of nothing but names and shapes. */
const hollow = (shapes: Record<string, readonly number[]>, more: Partial<Weights> = {}): Weights => ({
  name: "tiny.pt",
  format: "safetensors",
  size: 0,
  names: Object.keys(shapes),
  metadata: {},
  about: {},
  part: "",
  has: (name) => name in shapes,
  info: (name) => ({ dtype: "F32", shape: shapes[name] as number[] }),
  read: () => Promise.reject(new Error("hollow")),
  close: async () => {},
  ...more,
});
const tiny = (): Record<string, readonly number[]> => ({ ...shapesOf(network(NCSNPP, ncsnpp).parameters) });

describe("a file that does not fit", () => {
  test("names what is missing, unused and misshapen", () => {
    const shapes: Record<string, readonly number[]> = {
      ...tiny(),
      "all_modules.4.Conv_1.weight": [16, 15, 3, 3],
      spare: [2],
    };
    delete shapes["all_modules.5.GroupNorm_1.bias"];
    const found = identify(hollow(shapes));
    expect(found.fit).toEqual({
      missing: ["all_modules.5.GroupNorm_1.bias"],
      unused: ["spare"],
      misshapen: ["all_modules.4.Conv_1.weight expects [16,16,3,3], got [16,15,3,3]"],
    });
    expect(() => settled(found, "tiny.pt")).toThrow(
      /^tiny\.pt: the nearest network is NCSN\+\+.*1 missing \(all_modules\.5\.GroupNorm_1\.bias\); 1 unused \(spare\); 1 of another shape/,
    );
  });

  test("is told which network is nearest", () => {
    const shapes = tiny();
    for (const name of Object.keys(shapes)) if (name.includes("NIN_3")) delete shapes[name];
    expect(() => identify(hollow(shapes))).toThrow(
      /nearest is NCSN\+\+ or DDPM\+\+ \(score_sde\), of which all_modules\.N\.NIN_3\.W is missing/,
    );
    expect(() => recognise({ "a.b": [1] })).toThrow(
      /expected the weights of a known network \(ADM.*got 1 tensors such as a\.b/,
    );
    expect(() => recognise({})).toThrow(/got no tensors/);
  });

  test("leaves open what nothing decides, until it is told", () => {
    const shapes = shapesOf(network(ADM, adm).parameters);
    expect(() => settled(identify(hollow(shapes)), "tiny.pt")).toThrow(
      /num_head_channels: no tensor shows it.*give num_head_channels, use_new_attention_order in its config/,
    );
    const told = identify(hollow(shapes), { config: { num_head_channels: 32, use_new_attention_order: false } });
    expect(told.open).toEqual({});
    expect(settled(told, "tiny.pt")).toBe(told.network);
    const stored = { architecture: ADM, config: JSON.stringify({ ...adm, use_new_attention_order: true }) };
    expect(identify(hollow(shapes, { metadata: stored })).config.use_new_attention_order).toBe(true);
    const ours = { architecture: "adm_unet", config: JSON.stringify(adm), precondition: "edm" };
    expect(identify(hollow(shapes, { metadata: ours }))).toMatchObject({ architecture: ADM, open: {} });
    expect(() => identify(hollow(shapes, { metadata: { ...stored, config: "[1]" } }))).toThrow(
      /metadata expect a JSON object as config, got \[1\]/,
    );
  });

  test("is told by an EDM pickle which preconditioner it has", () => {
    const shapes = shapesOf(network(`${EDM}EDMPrecond`, { ...song, precond: "EDMPrecond" }).parameters);
    expect(identify(hollow(shapes)).architecture).toBe(`${EDM}VPPrecond`); // no augmentation input
    const about = { class_name: "EDMPrecond", init_kwargs: { img_resolution: 16, sigma_data: 0.25, dropout: 0.1 } };
    const found = identify(hollow(shapes, { about }));
    expect(found.architecture).toBe(`${EDM}EDMPrecond`);
    expect(found.config).toMatchObject({ precond: "EDMPrecond", sigma_data: 0.25 });
  });

  test("may lie about numbers", () => {
    const shapes = { ...tiny(), "all_modules.999999999999.weight": [3] };
    expect(identify(hollow(shapes)).fit.unused).toEqual(["all_modules.999999999999.weight"]);
    const lies = { ...shapesOf(network(ADM, adm).parameters), "output_blocks.4294967295.0.in_layers.2.weight": [1] };
    expect(identify(hollow(lies)).fit.unused).toEqual(["output_blocks.4294967295.0.in_layers.2.weight"]);
  });

  test("may be a copy of a copy", () => {
    const both = Object.fromEntries(
      Object.entries(tiny()).flatMap(([k, v]) => [
        [`model.${k}`, v],
        [`ema.module.${k}`, v],
      ]),
    );
    const found = identify(hollow(both));
    expect(found.prefix).toBe("ema.module.");
    expect(compare(network(found.architecture, found.config).parameters, tiny()).missing).toEqual([]);
  });
});

const GOLDEN = [
  "adm_lora adm_plain_cond adm_updown adm_wide_first ddpmpp_vp dncnn drunet edm_adm edm_ddpmpp edm_ncsnpp",
  "ncsnpp_residual ncsnpp_skip pesser_ddpm ud2m_disc varnet_normunet",
].flatMap((line) => line.split(" "));

describe("the official forward", () => {
  for (const name of GOLDEN) {
    const file = golden(name);
    test.skipIf(!file)(name, async () => {
      const { json, tensors, io } = file as NonNullable<typeof file>;
      const architecture = json.official_class as string;
      if (!ARCHITECTURES[architecture]) {
        console.log(`skipped: ${name}: ${architecture} is not in the table`);
        return;
      }
      const net = network(architecture, json.config as Record<string, unknown>);
      const given = io as NonNullable<typeof io>;
      const wanted = given.get("y") as { data: Float64Array };
      const { rel_l2 } = json.float32_vs_float64 as { rel_l2: number };
      const out = await evaluate(() => {
        const params = Object.fromEntries(
          Object.keys(net.parameters).map((key) => {
            const stored = tensors.get(key) as { shape: number[]; data: Float64Array };
            return [key, tensor(stored.shape, stored.data)];
          }),
        );
        const x = given.get("x") as { shape: number[]; data: Float64Array };
        return { y: net.forward(params, tensor(x.shape, x.data), given) };
      });
      const error = expectClose(out.y, wanted.data, { l2: Math.max(1e-4, 5 * rel_l2) });
      console.log(`${name}: y ${error.toExponential(1)}`);
    });
  }
});

describe("published key lists fit the networks they are recognised as", () => {
  const lists = shared("spec/keys");
  if (!lists) test.skip("no key lists: set PROXEL_SHARED to a folder that has them", () => {});
  for (const file of lists ? readdirSync(lists) : [])
    test(file, () => {
      const entries = JSON.parse(readFileSync(`${lists}/${file}`, "utf8")) as Record<string, [number[], string]>;
      const found = identify(hollow(Object.fromEntries(Object.entries(entries).map(([k, [shape]]) => [k, shape]))));
      expect(found.fit).toEqual({ missing: [], unused: [], misshapen: [] });
      if (!found.network) console.log(`${file}: ${found.why}`);
      // Inception's file also has a classifier, which is not run
      else
        expect(countParameters(found.network)).toBe(found.parameters - (file === "fid_inception.json" ? 2_065_392 : 0));
      console.log(`${file}: ${found.architecture}, ${found.parameters}`);
    });
});
