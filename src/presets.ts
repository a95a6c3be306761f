/** Published files by name: what their tensors do not tell. Levels are of pictures in [-1, 1], so twice those of [0, 1]. */
import { WeightsError } from "./errors.ts";
import { ADM } from "./recognise_adm.ts";
import type { Config } from "./recognise_keys.ts";
import { DNCNN, DNCNN_DEEPINV, DRUNET, PESSER } from "./recognise_others.ts";
import { NCSNPP } from "./recognise_score_sde.ts";

export interface Preset {
  /** What the official class begins with. */
  readonly architecture: string;
  readonly config?: Config;
  /** The level that the network was trained at, or the lowest and highest. */
  readonly sigma?: number | readonly [number, number];
}

const byte = (level: number) => (2 * level) / 255;
const legacy = { num_head_channels: 64, use_new_attention_order: false };
const ve = (sigma_max: number): Preset => ({
  architecture: NCSNPP,
  config: { scale_by_sigma: true, centered: false, continuous: true, sigma_min: 0.01, sigma_max },
});
const edm = (precond: string): Preset => ({ architecture: "edm ", config: { precond } });
const dncnn = (sigma: number | readonly [number, number]): Preset => ({ architecture: DNCNN, sigma });

/** By the stem of the file's name where it was released under one, else by dataset and process. */
export const PRESETS: Readonly<Record<string, Preset>> = {
  ffhq_10m: { architecture: ADM, config: { image_size: 256, ...legacy } },
  diffusion_ffhq_10m: { architecture: ADM, config: { image_size: 256, ...legacy } },
  "256x256_diffusion_uncond": { architecture: ADM, config: { image_size: 256, ...legacy } },
  "256x256_diffusion": { architecture: ADM, config: { image_size: 256, ...legacy } },
  diffusion_openai: { architecture: ADM, config: { image_size: 256, ...legacy } },
  "64x64_diffusion": {
    architecture: ADM,
    config: { image_size: 64, num_head_channels: 64, use_new_attention_order: true },
  },
  ncsnpp_cifar10_ve: ve(50),
  ncsnpp_cifar10_ve_deep: ve(50),
  ncsnpp_bedroom: ve(378),
  ncsnpp_church: ve(380),
  ncsnpp_ffhq: ve(348),
  ncsnpp_celebahq: ve(348),
  ncsnpp_cifar10_ve_discrete: {
    architecture: NCSNPP,
    config: { scale_by_sigma: true, centered: false, continuous: false, sigma_min: 0.01, sigma_max: 50 },
  },
  ncsnpp_cifar10_vp: {
    architecture: NCSNPP,
    config: { scale_by_sigma: false, centered: true, continuous: true },
  },
  ddpmpp_cifar10_vp: { architecture: NCSNPP, config: { scale_by_sigma: false, centered: true, continuous: true } },
  ddpm_lsun: { architecture: PESSER, config: { resolution: 256, attn_resolutions: [16] } },
  ddpm_cifar10: { architecture: PESSER, config: { resolution: 32, attn_resolutions: [16] } },
  "edm-cifar10-32x32-uncond-vp": edm("EDMPrecond"),
  "edm-cifar10-32x32-uncond-ve": edm("EDMPrecond"),
  "edm-cifar10-32x32-cond-vp": edm("EDMPrecond"),
  "edm-cifar10-32x32-cond-ve": edm("EDMPrecond"),
  "edm-ffhq-64x64-uncond-vp": edm("EDMPrecond"),
  "edm-ffhq-64x64-uncond-ve": edm("EDMPrecond"),
  "edm-afhqv2-64x64-uncond-vp": edm("EDMPrecond"),
  "edm-afhqv2-64x64-uncond-ve": edm("EDMPrecond"),
  "edm-imagenet-64x64-cond-adm": edm("EDMPrecond"),
  "baseline-cifar10-32x32-uncond-vp": edm("VPPrecond"),
  "baseline-cifar10-32x32-uncond-ve": edm("VEPrecond"),
  "baseline-imagenet-64x64-cond-adm": edm("iDDPMPrecond"),
  drunet_color: { architecture: DRUNET },
  drunet_gray: { architecture: DRUNET },
  dncnn_15: dncnn(byte(15)),
  dncnn_25: dncnn(byte(25)),
  dncnn_50: dncnn(byte(50)),
  dncnn_gray_blind: dncnn([byte(1), byte(55)]),
  dncnn_color_blind: dncnn([byte(1), byte(55)]),
  dncnn_sigma2_color: { architecture: DNCNN_DEEPINV, sigma: byte(2) },
  dncnn_sigma2_gray: { architecture: DNCNN_DEEPINV, sigma: byte(2) },
  dncnn_sigma2_lipschitz_color: { architecture: DNCNN_DEEPINV, sigma: byte(2) },
  dncnn_sigma2_lipschitz_gray: { architecture: DNCNN_DEEPINV, sigma: byte(2) },
};

/** The preset of this name, or that of the file's own name if there is one. */
export function presetFor(file: string, name?: string): readonly [name: string, preset: Preset | undefined] {
  if (name !== undefined) {
    if (Object.hasOwn(PRESETS, name)) return [name, PRESETS[name]];
    throw new WeightsError(`${file}: expected a preset of ${Object.keys(PRESETS).join(", ")}; got ${name}`);
  }
  const stem = (file.split(/[/\\]/).at(-1) ?? "").replace(/\.(safetensors|pth?|ckpt|pkl|tar)$/, "");
  return [stem, Object.hasOwn(PRESETS, stem) ? PRESETS[stem] : undefined];
}
