/** The posterior's own denoisers: Diff-Unfolding, and conditional EDM, its baseline. */
import { type Posterior, posterior, posteriorMetadata } from "./architectures_posterior.ts";
import type { OfficialEdm } from "./nets/edm_official.ts";
import { countParameters } from "./nets/net.ts";
import { SMALL } from "./recipes_edm.ts";
import { type Common, type Given, type Made, method, THRIFT, thrifty, type ValuesOf } from "./recipes_shared.ts";
import { cedm as cedmRecipe } from "./train/cedm.ts";
import { drawBatch } from "./train/data.ts";
import {
  anisotropicBlur,
  blockMeans,
  type DegradedOptions,
  type DrawOperator,
  dust,
  gaussianBlur,
  oneOf,
  publishedDegradations,
  unitNoise,
} from "./train/degradations.ts";
import { diffUnfolding as diffUnfoldingRecipe } from "./train/diff_unfolding.ts";
import { paramBytes } from "./weights/params.ts";

const OPERATORS: Readonly<Record<string, DrawOperator>> = {
  sr: blockMeans(),
  blur: gaussianBlur(),
  anisotropic: anisotropicBlur(),
  dust: dust(),
  published: publishedDegradations,
};

/** Those named, with commas between. */
function operatorOf(names: string): DrawOperator {
  const draws = names.split(",").map((name) => OPERATORS[name]);
  if (!draws.every(Boolean))
    throw new RangeError(`train: --operators expects some of ${Object.keys(OPERATORS).join(", ")}, got ${names}`);
  return oneOf(...(draws as DrawOperator[]));
}

const PRECONDS = { edm: "EDMPrecond", vp: "VPPrecond", ve: "VEPrecond", iddpm: "iDDPMPrecond" } as const;

const SHARED = {
  noise: { value: 0.1, about: "measurements have noise of 0 to this, of pictures in [0, 1]" },
  logMean: { value: -1.2, about: "ln sigma ~ N(mean, std^2), signed units", min: Number.NEGATIVE_INFINITY },
  logStd: { value: 1.2, about: "" },
  ...SMALL,
  attention: { value: [0], about: "sides, of the network's own pixels, at which it attends; 0: none", whole: true },
  ...THRIFT,
} as const;
type Shared = ValuesOf<typeof SHARED> & Common & { readonly operators: string };

const networkOf = (values: Shared, more: Partial<OfficialEdm>): OfficialEdm => ({
  model_type: "DhariwalUNet",
  img_resolution: Math.floor(values.size / values.spaceToDepth),
  img_channels: 3 * values.spaceToDepth ** 2,
  model_channels: values.channels,
  channel_mult: values.multipliers,
  num_blocks: values.blocks,
  attn_resolutions: values.attention,
  ...more,
});

/** Pictures and what is measured of them. */
const measuring = ({ size, batch, noise, operators }: Shared, { data }: Given): DegradedOptions => ({
  pictures: (random) => drawBatch(data, { size, count: batch }, random),
  operator: operatorOf(operators),
  noise: unitNoise([0, noise]),
});

function made({ model }: Posterior, recipe: Made["recipe"], metadata: Record<string, string>): Made {
  const { calls } = model;
  const parameters = `${countParameters(model).toLocaleString("en")} parameters`;
  return {
    recipe,
    about: calls === 1 ? parameters : `${parameters}, ${calls} steps`,
    files: async (params) => ({ "reconstructor.safetensors": await paramBytes(params, { dtype: "f16", metadata }) }),
  };
}

/** Published: K = 8 networks of 32 channels, multipliers 1,1,2,2,4,4, attention at 16, pictures of 256, no blocks of pixels. */
export const diffUnfolding = method({
  about: "Diff-Unfolding: gradient steps with networks between them, for any linear operator",
  prior: "none",
  settings: {
    iterations: { value: 3, about: "K, the steps of one denoising; 8 as published", whole: true, min: 1 },
    tied: { value: false, about: "one network for all steps" },
    norms: { value: "unit", about: "operators are divided by theirs, or (as published) not", choices: ["unit", "own"] },
    precond: { value: "edm", about: "the process that networks are scaled for", choices: Object.keys(PRECONDS) },
    operators: { value: "sr,blur,anisotropic,dust", about: `some of ${Object.keys(OPERATORS).join(", ")}` },
    ...SHARED,
  },
  defaults: { lr: 2e-4, decay: "constant", batch: 16, size: 64 },
  make(values, given) {
    const { iterations, tied, norms, spaceToDepth, logMean, logStd } = values;
    const network = networkOf(values, { precond: PRECONDS[values.precond as keyof typeof PRECONDS] });
    const metadata = posteriorMetadata("diff_unfolding", {
      ...{ network, spaceToDepth, iterations, tied },
      unitNorm: norms === "unit",
    });
    const which = posterior(metadata, "train", (net) => thrifty(net, values)) as Extract<
      Posterior,
      { kind: "diff_unfolding" }
    >;
    const recipe = diffUnfoldingRecipe({ model: which.model, logMean, logStd, ...measuring(values, given) });
    return made(which, recipe, metadata);
  },
});

/** Published: 128 channels, two blocks, multipliers 1,1,2,2,4,4, attention at 32, 16 and 8; one model for each operator. */
export const cedm = method({
  about: "conditional EDM: a denoiser that is shown the measurement, for one kind of operator",
  prior: "none",
  settings: {
    operators: { value: "blur", about: `one of ${Object.keys(OPERATORS).join(", ")}, or several` },
    ...SHARED,
  },
  defaults: { lr: 2e-4, decay: "constant", batch: 16, size: 64 },
  make(values, given) {
    const { spaceToDepth, logMean, logStd } = values;
    const network = networkOf(values, { in_channels: 6 * spaceToDepth ** 2 });
    const metadata = posteriorMetadata("cedm", { network, spaceToDepth });
    const which = posterior(metadata, "train", (net) => thrifty(net, values)) as Extract<Posterior, { kind: "cedm" }>;
    const recipe = cedmRecipe({ model: which.model, logMean, logStd, ...measuring(values, given) });
    return made(which, recipe, metadata);
  },
});
