import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type Recognised, recognise } from "../src/recognise.ts";
import { ADM } from "../src/recognise_adm.ts";
import type { Shapes } from "../src/recognise_keys.ts";
import { NCSNPP } from "../src/recognise_score_sde.ts";
import { shared } from "./lib/golden.ts";

/** Attention by level: the side of the pictures leaves no trace, its ratio to attention's does. */
const placed = (config: Readonly<Record<string, unknown>>) => {
  const side = (config.image_size ?? config.resolution ?? config.img_resolution) as number | undefined;
  const sides = config.attn_resolutions as number[] | undefined;
  return sides && side ? sides.map((s) => Math.log2(side / s)) : config.attention_resolutions;
};

const keyList = (name: string): Shapes | undefined => {
  const path = shared(`spec/keys/${name}.json`);
  if (!path) console.log(`skipped: no key list ${name}; set PROXEL_SHARED to a folder that has it`);
  if (!path) return undefined;
  const entries = JSON.parse(readFileSync(path, "utf8")) as Record<string, [number[], string]>;
  return Object.fromEntries(Object.entries(entries).map(([key, [shape]]) => [key, shape]));
};

/** Names and shapes of a safetensors file, from its header. */
const header = (path: string): Shapes => {
  const file = readFileSync(path);
  const length = Number(file.readBigUInt64LE(0));
  const entries = JSON.parse(file.subarray(8, 8 + length).toString()) as Record<string, { shape: number[] }>;
  return Object.fromEntries(Object.entries(entries).flatMap(([k, v]) => (k === "__metadata__" ? [] : [[k, v.shape]])));
};

const cifar = {
  model_type: "SongUNet",
  img_resolution: 32,
  model_channels: 128,
  channel_mult: [2, 2, 2],
  num_blocks: 4,
  attn_resolutions: [16],
  augment_dim: 9,
};
const ffhq64 = { ...cifar, img_resolution: 64, channel_mult: [1, 2, 2, 2] };
const ddpmpp = {
  embedding_type: "positional",
  encoder_type: "standard",
  decoder_type: "standard",
  channel_mult_noise: 1,
  resample_filter: [1, 1],
};
const ncsnpp = {
  embedding_type: "fourier",
  encoder_type: "residual",
  decoder_type: "standard",
  channel_mult_noise: 2,
  resample_filter: [1, 3, 3, 1],
};
const EDM = "edm training.networks.EDMPrecond";
const adm256 = {
  image_size: 256,
  in_channels: 3,
  out_channels: 6,
  channel_mult: [1, 1, 2, 2, 4, 4],
  num_head_channels: 64,
  use_new_attention_order: false,
  resblock_updown: true,
  use_scale_shift_norm: true,
};
const ve = {
  nf: 128,
  skip_rescale: true,
  fir: true,
  embedding_type: "fourier",
  scale_by_sigma: true,
  centered: false,
  continuous: true,
  num_channels: 3,
};
const cifarVe = {
  ...ve,
  ch_mult: [1, 2, 2, 2],
  attn_resolutions: [16],
  image_size: 32,
  progressive: "none",
  progressive_input: "residual",
  sigma_max: 50,
  num_scales: 1000,
};
const pesser = { in_channels: 3, out_ch: 3, ch: 128, num_res_blocks: 2, attn_resolutions: [16] };
const unetRes = { nc: [64, 128, 256, 512], nb: 4, act_mode: "R" };

const PUBLISHED: Record<string, [architecture: string, config: object]> = {
  adm_ffhq_10m: [ADM, { ...adm256, model_channels: 128, num_res_blocks: 1, attention_resolutions: [16] }],
  adm_imagenet256_uncond: [
    ADM,
    { ...adm256, model_channels: 256, num_res_blocks: 2, attention_resolutions: [8, 16, 32] },
  ],
  ddpmpp_cifar10_vp_continuous: [
    NCSNPP,
    {
      nf: 128,
      ch_mult: [1, 2, 2, 2],
      num_res_blocks: 4,
      attn_resolutions: [16],
      image_size: 32,
      fir: false,
      skip_rescale: true,
      embedding_type: "positional",
      scale_by_sigma: false,
      centered: true,
      progressive: "none",
      progressive_input: "none",
    },
  ],
  dncnn_17_R: ["DPIR models.DnCNN", { in_nc: 1, out_nc: 1, nc: 64, nb: 17, act_mode: "R" }],
  drunet_color: ["DPIR models.UNetRes", { ...unetRes, in_nc: 4, out_nc: 3 }],
  drunet_gray: ["DPIR models.UNetRes", { ...unetRes, in_nc: 2, out_nc: 1 }],
  e2e_varnet: ["fastMRI models.varnet.VarNet", { num_cascades: 12, sens_chans: 8, sens_pools: 4, chans: 18, pools: 4 }],
  edm_cifar10_ddpmpp: [EDM, { ...cifar, ...ddpmpp, channel_mult_emb: 4, precond: "EDMPrecond" }],
  edm_cifar10_ncsnpp: [EDM, { ...cifar, ...ncsnpp }],
  edm_ffhq64_ddpmpp: [EDM, { ...ffhq64, ...ddpmpp }],
  edm_ffhq64_ncsnpp: [EDM, { ...ffhq64, ...ncsnpp }],
  edm_imagenet64_adm: [
    EDM,
    {
      model_type: "DhariwalUNet",
      img_resolution: 64,
      model_channels: 192,
      channel_mult: [1, 2, 3, 4],
      num_blocks: 3,
      attn_resolutions: [32, 16, 8],
      label_dim: 1000,
      channels_per_head: 64,
    },
  ],
  fid_inception: ["pytorch_fid.inception.FIDInceptionV3", { classes: 1008 }],
  lpips_alex: ["lpips.LPIPS", { net: "alex" }],
  lpips_vgg: ["lpips.LPIPS", { net: "vgg" }],
  ncsnpp_cifar10_ve_continuous: [NCSNPP, { ...cifarVe, num_res_blocks: 4 }],
  ncsnpp_cifar10_ve_deep_continuous: [NCSNPP, { ...cifarVe, num_res_blocks: 8 }],
  ncsnpp_lsun256_ve_continuous: [
    NCSNPP,
    {
      ...ve,
      ch_mult: [1, 1, 2, 2, 2, 2, 2],
      num_res_blocks: 2,
      attn_resolutions: [16],
      image_size: 256,
      progressive: "output_skip",
      progressive_input: "input_skip",
      progressive_combine: "sum",
      num_scales: 2000,
    },
  ],
  pesser_cifar10: ["pytorch_diffusion.model.Model", { ...pesser, resolution: 32, ch_mult: [1, 2, 2, 2] }],
  pesser_lsun256: ["pytorch_diffusion.model.Model", { ...pesser, resolution: 256, ch_mult: [1, 1, 2, 2, 4, 4] }],
  ram: ["ram.RAM", { in_channels: [1, 2, 3], nc: [64, 128, 256, 512], nb: 4 }],
};

describe("published configurations", () => {
  test.each(Object.entries(PUBLISHED))("%s", (name, [architecture, config]) => {
    const shapes = keyList(name);
    if (!shapes) return;
    const found = recognise(shapes);
    expect(found.architecture).toBe(architecture);
    expect(found.config).toMatchObject(config);
    expect(found.open).toEqual({});
    expect(found.prefix).toBe("");
  });

  const FFHQ = "adm_ffhq_10m";
  test("behind the names that wrappers add", () => {
    const shapes = keyList(FFHQ);
    if (!shapes) return;
    const wrapped = Object.fromEntries(Object.entries(shapes).map(([k, v]) => [`state_dict.model.${k}`, v]));
    const found = recognise({ ...wrapped, "state_dict.loss.weight": [3] });
    expect(found.architecture).toBe(ADM);
    expect(found.prefix).toBe("state_dict.model.");
    expect(found.names["out.2.bias"]).toBe("state_dict.model.out.2.bias");
    expect(found.notes.join()).toContain("1 tensors outside");
  });

  test("EDM without its own prefix", () => {
    const shapes = keyList("edm_ffhq64_ncsnpp");
    if (!shapes) return;
    const bare = Object.fromEntries(Object.entries(shapes).map(([k, v]) => [k.replace(/^model\./, ""), v]));
    const found = recognise(bare);
    expect(found.config).toMatchObject(ffhq64);
    expect(found.names["model.map_layer0.weight"]).toBe("map_layer0.weight");
  });
});

const GOLDEN = [
  "adm_lora adm_plain_cond adm_updown adm_wide_first ddpmpp_vp dncnn drunet edm_adm edm_ddpmpp edm_ncsnpp",
  "ncsnpp_residual ncsnpp_skip pesser_ddpm ud2m_disc varnet_normunet",
].flatMap((line) => line.split(" "));

/** Arguments of training only, or of initial values. */
const IDLE = ["dropout", "init_scale", "sigma_max", "num_scales", "attn_resolutions"];

describe("the networks of the golden files", () => {
  test.each(GOLDEN)("%s", (name) => {
    const path = shared(`golden/${name}.safetensors`);
    if (!path) {
      console.log(`skipped: no golden ${name}; set PROXEL_SHARED to a folder that has it`);
      return;
    }
    const { official_class, config } = JSON.parse(readFileSync(path.replace(".safetensors", ".json"), "utf8"));
    const found: Recognised = recognise(header(path));
    expect(found.architecture).toBe(official_class);
    expect(placed(found.config)).toEqual(placed(config));
    const wrong = Object.entries(config).filter(
      ([key, value]) =>
        !IDLE.includes(key) &&
        JSON.stringify(found.config[key]) !== JSON.stringify(value) &&
        !(key in found.open) &&
        !(key in found.assumed),
    );
    // what the heads are is open as a whole
    const left = wrong.filter(([key]) => !(key === "num_heads" && "num_head_channels" in found.open));
    expect(Object.fromEntries(left)).toEqual({});
    console.log(`${name}: open ${Object.keys(found.open)}; assumed ${Object.keys(found.assumed)}`);
  });
});
