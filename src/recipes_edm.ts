import { type Prior, prior } from "./catalogue.ts";
import { countParameters, initParams } from "./nets/net.ts";
import { type Common, method, THRIFT, thrifty } from "./recipes_shared.ts";
import { edmAugment } from "./train/augment.ts";
import { edmRecipe } from "./train/edm_recipe.ts";
import { paramBytes } from "./weights/params.ts";

interface Sizes {
  readonly channels: number;
  readonly multipliers: readonly number[];
  readonly blocks: number;
  readonly spaceToDepth: number;
}

/** Sizes of the small network that methods train where no prior is given. */
export const SMALL = {
  channels: { value: 32, about: "of the network's first level", whole: true, min: 1 },
  multipliers: { value: [1, 2, 4], about: "of channels, by level", min: 1 },
  blocks: { value: 1, about: "residual blocks a level", whole: true, min: 1 },
  spaceToDepth: { value: 2, about: "side of the blocks of pixels that it sees as channels", whole: true, min: 1 },
} as const;

/** Of such a network, what `prior` and a file's metadata want. */
export const smallMetadata = ({ size, channels, multipliers, blocks, spaceToDepth }: Sizes & Pick<Common, "size">) => {
  const side = 3 * spaceToDepth ** 2;
  return {
    architecture: "adm_unet",
    config: JSON.stringify({
      image_size: size,
      in_channels: side,
      model_channels: channels,
      out_channels: side,
      num_res_blocks: blocks,
      attention_resolutions: [],
      channel_mult: multipliers,
      num_head_channels: 32,
      use_scale_shift_norm: true,
      resblock_updown: true,
    }),
    precondition: "edm",
    sigma_data: "0.5",
    space_to_depth: String(spaceToDepth),
    tile: String(size),
    license: "see the card beside this file",
  };
};

/** EDM's network takes c_noise = ln(sigma)/4, the loss gives ln(sigma). */
export const bare =
  ({ F }: Pick<Prior, "F">) =>
  (...[params, x, logSigma]: Parameters<Parameters<typeof edmRecipe>[0]["F"]>) =>
    F(params)(
      x,
      logSigma.map((l) => l / 4),
    );

export const edm = method({
  about: "a denoising prior from nothing, with EDM's loss",
  prior: "none",
  settings: {
    logMean: { value: -1.4, about: "ln sigma ~ N(mean, std^2), signed units", min: Number.NEGATIVE_INFINITY },
    logStd: { value: 1.3, about: "" },
    augment: {
      value: 0,
      about: "chance of EDM's flips, turns and stretches; this network is not told, so it draws them too",
    },
    ...SMALL,
    ...THRIFT,
  },
  defaults: { steps: 4000, batch: 24, lr: 1e-3, lrEnd: 5e-6, warmup: 200 },
  make(values, { data }) {
    const metadata = smallMetadata(values);
    const made = prior(metadata);
    const { net, sigmaData } = made;
    const light = thrifty(net, values);
    const F: Prior["F"] = (params) => (x, cNoise) =>
      light.apply(
        params,
        x,
        cNoise.map((c) => 1000 * c),
      );
    const recipe = edmRecipe({
      ...values,
      ...{ sigmaData, data, F: bare({ F }), adam: { beta2: 0.99 }, init: (random) => initParams(net, random) },
      augment: values.augment > 0 ? { ...edmAugment, p: values.augment } : undefined,
    });
    return {
      recipe,
      halves: values.half,
      about: `${countParameters(net).toLocaleString("en")} parameters`,
      files: async (params) => ({ "prior.safetensors": await paramBytes(params, { dtype: "f16", metadata }) }),
    };
  },
});
