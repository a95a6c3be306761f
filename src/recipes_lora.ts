import { rng } from "../kernels/random.ts";
import { WeightsError } from "./errors.ts";
import { bare } from "./recipes_edm.ts";
import { method } from "./recipes_shared.ts";
import { edmRecipe, ofDenoiser } from "./train/edm_recipe.ts";
import { lora as adapters, type LoraInit } from "./train/lora.ts";
import { paramBytes } from "./weights/params.ts";

const patterns = (text: string): RegExp[] =>
  text
    .split(",")
    .filter(Boolean)
    .map((word) => new RegExp(word));

export const lora = method({
  about: "adapters of low rank that bring a prior to your pictures, with EDM's loss",
  prior: "wanted",
  settings: {
    rank: { value: 4, about: "of the update of each matrix", whole: true, min: 1 },
    alpha: { value: 4, about: "updates are scaled by alpha/rank" },
    layers: { value: ".", about: "patterns of the names of layers to adapt, with commas between" },
    also: { value: "", about: "patterns of parameters to train in full" },
    init: { value: "standard", about: "B = 0, or as UD2M both drawn", choices: ["standard", "ud2m"] },
    logMean: { value: -1.2, about: "ln sigma ~ N(mean, std^2), signed units", min: Number.NEGATIVE_INFINITY },
    logStd: { value: 1.2, about: "" },
  },
  defaults: { steps: 500, batch: 4, lr: 1e-4, decay: "constant", every: 10, save: 50, ema: 0.99 },
  make(values, { data, prior }) {
    if (!prior) throw new WeightsError("lora: expected a network to adapt; give --prior FILE");
    const { rank, alpha, layers, also, init, seed } = values;
    const options = { rank, alpha, match: patterns(layers), also: patterns(also), init: init as LoraInit };
    const begin = (random = rng(seed)) => adapters(prior.params, { ...options, rng: random });
    const shape = begin();
    const { merge, metadata } = shape;
    const count = Object.values(shape.adapters).reduce((sum, t) => sum + t.size, 0);
    for (const t of [...shape.flat.chunks, ...Object.values(shape.adapters)]) t.dispose();
    const sigmaData = prior.edm?.sigmaData ?? 0.5;
    const F = prior.edm ? bare(prior.edm) : ofDenoiser(prior.denoiser, sigmaData);
    return {
      recipe: edmRecipe({
        ...values,
        ...{ sigmaData, data, name: "lora", init: (random) => begin(random).flat },
        F: (params, x, logSigma) => F(merge(params), x, logSigma),
      }),
      about: `${count.toLocaleString("en")} parameters in adapters of rank ${rank} for ${prior.description}`,
      files: async (params) => ({
        "lora.safetensors": await paramBytes(params, { metadata: { ...metadata, base: prior.description } }),
      }),
    };
  },
});
