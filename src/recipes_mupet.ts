import { prior as priorOf, type Trainable } from "./catalogue.ts";
import { precondition } from "./diffusion/precondition.ts";
import { WeightsError } from "./errors.ts";
import { countParameters, initParams, type Specs } from "./nets/net.ts";
import { SMALL, smallMetadata } from "./recipes_edm.ts";
import { type Common, type Made, method } from "./recipes_shared.ts";
import { copyBuffer, type Tensor } from "./tensor/tensor.ts";
import { drawBatch } from "./train/data.ts";
import { dsm as denoising, type LevelRule } from "./train/dsm.ts";
import { mupet as mapTraining } from "./train/mupet.ts";
import { MUPET_DEGRADATIONS, type MupetDegradation, mupetDegradation } from "./train/mupet_degradations.ts";
import type { Trained } from "./train/trained.ts";
import { paramBytes } from "./weights/params.ts";

type Network = { trained: Trained } & Omit<Made, "recipe">;
const counted = (net: { readonly parameters: Readonly<Specs> }) =>
  `${countParameters(net).toLocaleString("en")} parameters`;
const filed = (metadata: Readonly<Record<string, string>>): Made["files"] => {
  return async (params) => ({ "prior.safetensors": await paramBytes(params, { dtype: "f16", metadata }) });
};

/** A small network of our own, at its first values. */
function fresh(values: Parameters<typeof smallMetadata>[0]): Network {
  const metadata = smallMetadata(values);
  const { net, F, sigmaData } = priorOf(metadata);
  const shape = { sigmaData, channels: net.inChannels, multipleOf: net.multipleOf };
  return {
    trained: { init: (random) => initParams(net, random), denoiser: (p) => precondition.edm(F(p), shape) },
    files: filed(metadata),
    about: `${counted(net)}, from nothing`,
  };
}

/** The network that was named, from where it stands: any that denoises, score_sde's too. */
const begun = ({ specs, params, denoiser, metadata, description }: Trainable): Network => ({
  trained: {
    init(random) {
      const made = initParams({ parameters: specs }, random);
      for (const [name, t] of Object.entries(made.tree)) copyBuffer(params[name] as Tensor, t);
      return made;
    },
    denoiser,
  },
  files: filed(metadata),
  about: `${counted({ parameters: specs })} of ${description}`,
});

/** Levels to train at. Priors of our own were trained for .002 to 80, of which few are worth the time. */
const LEVELS = {
  sigmaMin: { value: 0.02, about: "lowest level, of pictures in [-1, 1]; published: .02" },
  sigmaMax: { value: 20, about: "highest level; published: 100 for CIFAR, 756 for LSUN" },
} as const;
const bounded = ({ sigmaMin, sigmaMax }: { sigmaMin: number; sigmaMax: number }) => ({ sigmaMin, sigmaMax });
const from = (data: Parameters<typeof drawBatch>[0], { size, batch }: Common) => ({
  images: (random: Parameters<typeof drawBatch>[2]) => drawBatch(data, { size, count: batch }, random),
});

export const dsm = method({
  about: "a prior by denoising score matching, from --prior or from nothing",
  prior: "optional",
  settings: {
    ...LEVELS,
    levels: {
      value: "log-uniform",
      about: "how levels are drawn: score_sde's, or MUPET's",
      choices: ["log-uniform", "mupet"],
    },
    ...SMALL,
  },
  defaults: { steps: 2000, batch: 16, lr: 2e-4, warmup: 100, decay: "constant" },
  make(values, { data, prior }) {
    const { trained, ...made } = prior ? begun(prior) : fresh(values);
    const levels = values.levels as LevelRule;
    return { recipe: denoising({ trained, ...from(data, values) }, { levels, ...bounded(values) }), ...made };
  },
});

export const mupet = method({
  about: "a prior refined at the fixed points of MAP estimation, from --prior",
  prior: "wanted",
  settings: {
    alpha: { value: 1, about: "weight of the loss at the fixed point against that of denoising" },
    eta: { value: 0.05, about: "the map's gradient step" },
    accelerate: { value: "adam", about: "how the fixed point is found", choices: ["adam", "plain", "anderson"] },
    mapLr: { value: 0.1, about: "Adam's step there; published: .05 of pictures in [0, 1]" },
    tol: { value: 2e-4, about: "mean squared step at rest; published: 5e-5 of pictures in [0, 1]" },
    tolByNoise: { value: false, about: "times the noise, as in the authors' commands" },
    iterations: { value: 500, about: "most iterations to a fixed point", whole: true, min: 1 },
    gradient: {
      value: "jacobian-free",
      about: "at the fixed point; the others are exact",
      choices: ["jacobian-free", "gmres", "broyden", "cg"],
    },
    among: { value: MUPET_DEGRADATIONS.join(","), about: "degradations drawn from" },
    ...LEVELS,
  },
  defaults: { steps: 500, batch: 8, lr: 1e-5, clip: 0, decay: "constant" },
  make(values, { data, prior }) {
    if (!prior) throw new WeightsError("mupet: expected a prior to refine; give --prior FILE");
    const { trained, ...made } = begun(prior);
    const { alpha, eta, tol, tolByNoise } = values;
    const recipe = mapTraining(
      { trained, ...from(data, values) },
      {
        ...{ alpha, eta, tol, tolByNoise, ...bounded(values) },
        ...{ lr: values.mapLr, maxIterations: values.iterations },
        accelerate: values.accelerate as "adam" | "plain" | "anderson",
        gradient: values.gradient as "jacobian-free" | "gmres" | "broyden" | "cg",
        degradation: (shape, random) =>
          mupetDegradation(shape, random, { among: values.among.split(",") as MupetDegradation[] }),
      },
    );
    return { recipe, ...made };
  },
});
