/** Networks for magnetic resonance, trained on k-space of many coils that is simulated from pictures. */
import { mriMetadata } from "./architectures_mri.ts";
import { posterior, posteriorMetadata } from "./architectures_posterior.ts";
import { countParameters, type Net, type Params } from "./nets/net.ts";
import { ssdiffrecon as ssdiffreconNet } from "./nets/ssdiffrecon.ts";
import type { Unfolding } from "./nets/unfolding.ts";
import { officialVarnet } from "./nets/varnet.ts";
import { MRI_MASKS, type MriMask } from "./physics/mri_masks.ts";
import { SMALL } from "./recipes_edm.ts";
import { type Common, type Given, type Made, method, type ValuesOf } from "./recipes_shared.ts";
import { drawBatch } from "./train/data.ts";
import { diffUnfoldingMri as diffUnfoldingRecipe, diffUnfoldingSplit } from "./train/diff_unfolding_mri.ts";
import { mriData, PATTERNS, type Pattern } from "./train/mri_data.ts";
import { ssdiffreconRecipe } from "./train/ssdiffrecon.ts";
import { varnetRecipe } from "./train/varnet.ts";
import { paramBytes } from "./weights/params.ts";

const SHARED = {
  patterns: {
    value: PATTERNS.map(({ kind, acceleration }) => `${kind}:${acceleration}`).join(","),
    about: `what is measured, one of these a batch: ${MRI_MASKS.join(", ")}, with :R for one sample in R`,
  },
  coils: { value: 15, about: "receivers; 5 for SSDiffRecon as published", whole: true, min: 1 },
  noise: { value: 0.01, about: "deviation of a sample's parts, in root mean squares of the picture" },
} as const;
type Shared = ValuesOf<typeof SHARED> & Common;

/** `uniform1d:4,gaussian2d:8` */
function patternsOf(text: string): Pattern[] {
  return text.split(",").map((word) => {
    const [kind = "", R = "4"] = word.trim().split(":");
    if (!MRI_MASKS.includes(kind as MriMask) || !(Number(R) >= 1))
      throw new RangeError(`train: --patterns expects some of ${MRI_MASKS.join(", ")}, as in uniform1d:4, got ${word}`);
    return { kind: kind as MriMask, acceleration: Number(R) };
  });
}

const measuring = ({ size, batch, patterns, coils, noise }: Shared, { data }: Given) =>
  mriData({
    pictures: (random) => drawBatch(data, { size, count: batch }, random),
    patterns: patternsOf(patterns),
    ...{ coils, noise },
  });

const made = (
  net: { readonly parameters: Net["parameters"] },
  recipe: Made["recipe"],
  metadata: Record<string, string>,
): Made => ({
  recipe,
  about: `${countParameters(net).toLocaleString("en")} parameters`,
  files: async (params: Params) => ({ "reconstructor.safetensors": await paramBytes(params, { metadata }) }),
});

/** Published: 12 cascades of 18 channels, sensitivities of 8, 4 poolings each, a tenth of the rate after 40 of 50 epochs. */
export const varnet = method({
  about: "E2E-VarNet: unrolled reconstruction of coils' k-space, its sensitivities learnt, on 1 - SSIM",
  prior: "none",
  settings: {
    cascades: { value: 12, about: "unrolled steps", whole: true, min: 1 },
    channels: { value: 18, about: "of a step's U-Net", whole: true, min: 1 },
    pools: { value: 4, about: "its levels below the first", whole: true, min: 1 },
    sensChannels: { value: 8, about: "of the U-Net that estimates sensitivities", whole: true, min: 1 },
    sensPools: { value: 4, about: "its levels below the first", whole: true, min: 1 },
    ...SHARED,
  },
  defaults: { lr: 1e-3, decay: "step", decayEvery: 800, batch: 1, size: 96, clip: 0 },
  make(values, given) {
    const { cascades, channels, pools, sensChannels, sensPools } = values;
    const config = {
      ...{ num_cascades: cascades, chans: channels, pools },
      ...{ sens_chans: sensChannels, sens_pools: sensPools },
    };
    const net = officialVarnet(config);
    return made(net, varnetRecipe({ net, data: measuring(values, given) }), mriMetadata("varnet", config));
  },
});

/** Published: 6 blocks of 64 channels, 16 latents of 32, 8 layers of the mapper, 5 coils, a warm-up of 5000 steps. */
export const ssdiffrecon = method({
  about: "SSDiffRecon: an unrolled diffusion of coils' k-space, trained without fully sampled data",
  prior: "none",
  settings: {
    blocks: { value: 6, about: "unrolled blocks", whole: true, min: 1 },
    channels: { value: 64, about: "features", whole: true, min: 1 },
    latents: { value: 16, about: "local latents", whole: true, min: 1 },
    width: { value: 32, about: "of a latent, a multiple of 4", whole: true, min: 4 },
    layers: { value: 8, about: "of the mapper, an even number", whole: true, min: 2 },
    keep: { value: 0.95, about: "the part of the measured samples that the network sees" },
    ...SHARED,
    coils: { ...SHARED.coils, value: 5 },
  },
  defaults: { steps: 20_000, lr: 2e-3, warmup: 5000, decay: "constant", batch: 1, size: 96, clip: 1 },
  make(values, given) {
    const { blocks, channels, latents, width, layers, keep } = values;
    const config = { blocks, channels, latents, width, layers };
    const net = ssdiffreconNet(config);
    const recipe = ssdiffreconRecipe({ net, keep, data: measuring(values, given) });
    return made(net, recipe, mriMetadata("ssdiffrecon", config));
  },
});

/** Published: K = 8 networks of 32 channels, multipliers 1,1,2,2,4,4; 15 coils; patterns as by default. */
export const diffUnfoldingMri = method({
  about: "Diff-Unfolding on coils' k-space: gradient steps with networks of complex pictures between them",
  prior: "none",
  settings: {
    iterations: { value: 3, about: "K, the steps of one denoising; 8 as published", whole: true, min: 1 },
    supervised: {
      value: "truth",
      about: "by the picture, or by samples that are held out",
      choices: ["truth", "split"],
    },
    keep: { value: 0.95, about: "with --supervised split: the part of the samples that is seen" },
    logMean: { value: -1.2, about: "ln sigma ~ N(mean, std^2), of pictures up to 1", min: Number.NEGATIVE_INFINITY },
    logStd: { value: 1.2, about: "" },
    ...SMALL,
    ...SHARED,
  },
  defaults: { lr: 2e-4, decay: "constant", batch: 4, size: 96 },
  make(values, given) {
    const { iterations, supervised, keep, logMean, logStd, size, spaceToDepth, channels, multipliers, blocks } = values;
    const network = {
      ...{ model_type: "DhariwalUNet" as const, precond: "EDMPrecond" as const, attn_resolutions: [] },
      ...{ img_resolution: Math.floor(size / spaceToDepth), img_channels: 2 * spaceToDepth ** 2 },
      ...{ model_channels: channels, channel_mult: multipliers, num_blocks: blocks },
    };
    const metadata = posteriorMetadata("diff_unfolding", { network, spaceToDepth, iterations });
    const model = posterior(metadata).model as Unfolding;
    const options = { model, logMean, logStd, data: measuring(values, given) };
    const recipe = supervised === "split" ? diffUnfoldingSplit({ ...options, keep }) : diffUnfoldingRecipe(options);
    return made(model, recipe, metadata);
  },
});
