/** ADM from the arguments of guided-diffusion, and the configurations of the checkpoints that were released. */
import { ShapeError } from "../errors.ts";
import { type AdmUnet, admUnet } from "./adm_unet.ts";

/** The arguments of guided-diffusion's UNetModel, by its own names; `attention_resolutions` are downsampling factors. */
export interface OfficialAdm {
  image_size: number;
  in_channels: number;
  model_channels: number;
  out_channels: number;
  num_res_blocks: number;
  attention_resolutions: readonly number[];
  /** Left out: what guided-diffusion takes for this size. */
  channel_mult?: readonly number[];
  num_heads?: number;
  num_head_channels?: number;
  use_scale_shift_norm?: boolean;
  resblock_updown?: boolean;
  use_new_attention_order?: boolean;
  num_classes?: number | null;
}

/** Widths of guided-diffusion's levels, as multiples of `model_channels`, by the side of its pictures. */
const MULTIPLIERS: Record<number, readonly number[]> = {
  64: [1, 2, 3, 4],
  128: [1, 1, 2, 3, 4],
  256: [1, 1, 2, 2, 4, 4],
  512: [0.5, 1, 1, 2, 2, 4, 4],
};

/** The network that guided-diffusion would build from these arguments. */
export function officialAdm(c: OfficialAdm): AdmUnet {
  const multipliers = c.channel_mult ?? MULTIPLIERS[c.image_size];
  if (!multipliers)
    throw new ShapeError(
      `officialAdm: channel_mult expected, since there is no usual one for an image_size of ${c.image_size}`,
    );
  return admUnet({
    resolution: c.image_size,
    inChannels: c.in_channels,
    outChannels: c.out_channels,
    channels: c.model_channels,
    multipliers,
    blocks: c.num_res_blocks,
    attention: c.attention_resolutions.map((factor) => c.image_size / factor),
    heads: c.num_heads ?? 1,
    ...(c.num_head_channels && c.num_head_channels > 0 ? { headChannels: c.num_head_channels } : {}),
    scaleShift: c.use_scale_shift_norm ?? false,
    updown: c.resblock_updown ?? false,
    newOrder: c.use_new_attention_order ?? false,
    ...(c.num_classes ? { classes: c.num_classes } : {}),
  });
}

/** Noise and variance of colour pictures in [-1, 1], by 1000 steps of linear betas, except `imagenet64` (cosine). */
const released = {
  in_channels: 3,
  out_channels: 6,
  num_head_channels: 64,
  use_scale_shift_norm: true,
  resblock_updown: true,
} as const;
const imagenet256 = {
  ...released,
  image_size: 256,
  model_channels: 256,
  num_res_blocks: 2,
  attention_resolutions: [8, 16, 32],
} as const;

/** Configurations of released checkpoints, for `officialAdm`. */
export const ADM = {
  /** `ffhq_10m.pt` of DPS, DiffPIR and DDiff: 93,563,910 parameters. */
  ffhq256: { ...released, image_size: 256, model_channels: 128, num_res_blocks: 1, attention_resolutions: [16] },
  /** `256x256_diffusion_uncond.pt`: 552,814,086. */
  imagenet256,
  /** `256x256_diffusion.pt`, by class: 553,838,086. */
  imagenet256Conditional: { ...imagenet256, num_classes: 1000 },
  /** `64x64_diffusion.pt`, by class: 295,904,454; the one with the new order of q, k, v. */
  imagenet64Conditional: {
    ...released,
    image_size: 64,
    model_channels: 192,
    num_res_blocks: 3,
    attention_resolutions: [2, 4, 8],
    use_new_attention_order: true,
    num_classes: 1000,
  },
} as const satisfies Record<string, OfficialAdm>;
