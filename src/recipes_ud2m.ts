import type { Rng } from "../kernels/random.ts";
import { loadRam } from "./architectures_ud2m.ts";
import { WeightsError } from "./errors.ts";
import { loadLpips } from "./eval_weights.ts";
import type { Operator } from "./linalg/operator.ts";
import { discriminator } from "./nets/discriminator.ts";
import type { Specs } from "./nets/net.ts";
import { jpeg } from "./physics/jpeg.ts";
import { boxMask, inpaint } from "./physics/mask.ts";
import { method } from "./recipes_shared.ts";
import type { UnfoldedOptions } from "./solvers/unfolded.ts";
import { scope } from "./tensor/scope.ts";
import type { Shape } from "./tensor/shape.ts";
import { drawBatch } from "./train/data.ts";
import { anisotropicBlur, blockMeans, dust, gaussianBlur } from "./train/degradations.ts";
import { loraShapes } from "./train/lora.ts";
import { ud2mLora, ud2mRam, ud2m as ud2mRecipe, ud2mTraining } from "./train/ud2m.ts";
import { ud2mBytes } from "./train/ud2m_file.ts";
import { paramBytes } from "./weights/params.ts";

type Draw = (shape: Shape, random: Rng) => Operator;
const MASKS: Readonly<Record<string, Draw>> = { dust: dust(), box: (shape) => inpaint(boxMask(shape)) };
const OPERATORS: Readonly<Record<string, Draw>> = {
  blur: gaussianBlur(),
  anisotropic: anisotropicBlur(),
  sr: blockMeans({ factors: [4] }),
  ...MASKS,
  jpeg: (shape) => jpeg(shape),
};

/** Attention where there is any, as published; else every matrix but those of the output, which is trained in full. */
function layersOf(specs: Readonly<Specs>, layers: string, also: string) {
  const words = (text: string) =>
    text
      .split(",")
      .filter(Boolean)
      .map((word) => new RegExp(word));
  const names = Object.keys(specs);
  const attention = /(qkv|proj_out|\.[qkv])$/;
  const has = names.some((name) => attention.test(name.replace(/\.[^.]+$/, "")));
  const output = /^(out\.|conv_out\.)/;
  return {
    match: layers ? words(layers) : [has ? attention : /^(?!out\.|conv_out)/],
    also: also ? words(also) : names.some((name) => output.test(name)) ? [output] : [],
  };
}

export const ud2m = method({
  about: "UD2M: a prior with adapters, unfolded into a few-step sampler of the posterior",
  prior: "wanted",
  settings: {
    modules: { value: 3, about: "K, calls of the network a step", whole: true, min: 1 },
    sampling: { value: 3, about: "N, the steps that the file asks for when it samples", whole: true, min: 1 },
    mode: { value: "repo", about: "as the authors' code, or as the paper", choices: ["repo", "paper"] },
    operators: { value: "blur", about: `some of ${Object.keys(OPERATORS).join(", ")}` },
    noise: { value: 0.025, about: "of the measurement, of pictures in [0, 1]" },
    start: { value: "blend", about: "of the first module", choices: ["blend", "pinv", "adjoint", "model"] },
    ram: { value: "", about: "RAM's weights, for --start model; trained along" },
    rank: { value: ud2mTraining.rank, about: "of the update of each matrix", whole: true, min: 1 },
    alpha: { value: ud2mTraining.alpha, about: "updates are scaled by alpha/rank" },
    layers: { value: "", about: "patterns of layers to adapt [attention; without any, all]" },
    also: { value: "", about: "patterns of parameters to train in full [the output]" },
    adversarial: { value: 1, about: "weight of the judge's word; 0: no judge" },
    penalty: { value: 0.01, about: "weight of the judge's gradient" },
    lpips: { value: "", about: "LPIPS' weights, one file or two with a comma; weight .1" },
  },
  defaults: {
    ...{ steps: 2000, batch: ud2mTraining.batch, lr: ud2mTraining.lr, decay: "constant" },
    ...{ weightDecay: ud2mTraining.weightDecay, clip: 0 },
  },
  async make(values, { data, prior }) {
    if (!prior) throw new WeightsError("ud2m: expected a network to adapt; give --prior FILE");
    const names = values.operators.split(",");
    const draws = names.map((name) => OPERATORS[name]);
    if (!draws.every(Boolean))
      throw new RangeError(
        `train: --operators expects some of ${Object.keys(OPERATORS).join(", ")}, got ${values.operators}`,
      );
    const { size, batch, rank, alpha, adversarial, penalty, modules, sampling: steps } = values;
    const inpainting = names.every((name) => Object.hasOwn(MASKS, name));
    const model = {
      ...{ modules, inpainting },
      mode: values.mode as "repo" | "paper",
      start: values.start as NonNullable<UnfoldedOptions["start"]>,
    };
    if ((values.start === "model") !== Boolean(values.ram))
      throw new TypeError("train: --ram FILE and --start model belong together");
    const lora = ud2mLora({ ...layersOf(prior.specs, values.layers, values.also), rank, alpha });
    const shapes = loraShapes(
      Object.fromEntries(Object.entries(prior.params).map(([name, t]) => [name, t.shape])),
      lora,
    );
    const count = Object.values(shapes).reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);
    const ram = values.ram ? await loadRam(values.ram) : undefined;
    const lpips = values.lpips ? await loadLpips(values.lpips.split(",")) : undefined;
    const recipe = ud2mRecipe({
      ...model,
      ...{ base: prior.params, denoiser: prior.denoiser, lora, weights: { adversarial, penalty } },
      ...(ram && { ram }),
      ...(lpips && { lpips: lpips.apply }),
      ...(adversarial && { judge: discriminator({ size }) }),
      pictures: (random) => drawBatch(data, { size, count: batch }, random),
      operator: (shape, random) => (draws[random.integer(0, draws.length - 1)] as Draw)(shape, random),
      sigmaNoise: 2 * values.noise,
    });
    return {
      recipe,
      about: `${count.toLocaleString("en")} parameters in adapters of rank ${rank} and the output, K = ${modules}, for ${prior.description}`,
      async files(params, scalars) {
        const merged = ram && scope(() => ud2mRam(ram, params));
        try {
          return {
            "ud2m.safetensors": await ud2mBytes(params, scalars, {
              ...{ lora, sampling: { ...model, steps } },
              metadata: { base: prior.description, operators: values.operators, noise: String(values.noise) },
            }),
            ...(merged && { "ram.safetensors": await paramBytes(merged) }),
          };
        } finally {
          for (const t of Object.values(merged ?? {})) t.dispose();
        }
      },
      dispose() {
        ram?.[Symbol.dispose]();
        lpips?.[Symbol.dispose]();
      },
    };
  },
});
