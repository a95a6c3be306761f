/** Baselines that are trained for one kind of measurement: I2SB's bridge, and CoSIGN's control of a few-step model. */
import type { Rng } from "../kernels/random.ts";
import { bridgeOf, controlOf, prefixed } from "./architectures_guided.ts";
import { WeightsError } from "./errors.ts";
import { countParameters, initParams } from "./nets/net.ts";
import { SMALL, smallMetadata } from "./recipes_edm.ts";
import { type Common, type Given, method, THRIFT, thrifty } from "./recipes_shared.ts";
import { bridgeStart } from "./solvers/i2sb.ts";
import { dispose, scope } from "./tensor/scope.ts";
import { cosignTraining } from "./train/cosign.ts";
import { drawBatch } from "./train/data.ts";
import {
  anisotropicBlur,
  blockMeans,
  type DrawOperator,
  degraded,
  dust,
  gaussianBlur,
  unitNoise,
} from "./train/degradations.ts";
import { pseudoHuber, squaredError } from "./train/distance.ts";
import { i2sbTraining } from "./train/i2sb.ts";
import { paramBytes } from "./weights/params.ts";

const OPERATORS: Readonly<Record<string, DrawOperator>> = {
  sr: blockMeans({ factors: [4] }),
  blur: gaussianBlur(),
  anisotropic: anisotropicBlur(),
  dust: dust(),
};

const MEASURED = {
  operator: { value: "sr", about: "what it is trained for", choices: Object.keys(OPERATORS) },
  noise: { value: 0.025, about: "of the measurement, of pictures in [0, 1]" },
} as const;

/** Pictures, and what is measured of each in its own shape: the measurement itself or A^+ y. */
const pairs =
  ({ operator, noise, size, batch }: Common & { operator: string; noise: number }, { data }: Given) =>
  async (random: Rng) => {
    const { x, y, A } = await degraded(
      {
        pictures: (r) => drawBatch(data, { size, count: batch }, r),
        operator: OPERATORS[operator] as DrawOperator,
        noise: unitNoise([noise, noise]),
      },
      random,
    );
    const start = scope(() => bridgeStart(A, y));
    dispose([y, A.holds]);
    return { x, start };
  };

/** Published: ADM of ImageNet at 256, betaMax .3 for super-resolution, 1 and otOde for deblurring; batch 256, EMA .99. */
export const i2sb = method({
  about: "I2SB: a bridge from degraded pictures to pictures, for one kind of operator",
  prior: "none",
  settings: {
    ...MEASURED,
    betaMax: { value: 0.3, about: "of the bridge's noise; 1 for deblurring and inpainting, as published" },
    otOde: { value: false, about: "no noise on the way" },
    condX1: { value: false, about: "the network sees the degraded picture too" },
    ...SMALL,
    ...THRIFT,
  },
  defaults: { lr: 5e-5, decay: "step", decayEvery: 1000, decayBy: 0.99, ema: 0.99, batch: 16 },
  make(values, given) {
    const { betaMax, otOde, condX1 } = values;
    const plain = smallMetadata(values);
    const config = JSON.parse(plain.config) as { in_channels: number };
    const metadata = {
      ...{ architecture: "i2sb", space_to_depth: plain.space_to_depth, license: plain.license },
      config: JSON.stringify({ ...config, in_channels: (condX1 ? 2 : 1) * config.in_channels }),
      ...{ beta_max: String(betaMax), ot_ode: String(otOde), cond_x1: String(condX1), operator: values.operator },
    };
    const { net, options } = bridgeOf(metadata);
    const draw = pairs(values, given);
    const recipe = i2sbTraining({
      ...options,
      net: thrifty(net, values),
      init: (random) => initParams(net, random),
      async batch(random) {
        const { x, start } = await draw(random);
        return { x0: x, x1: start };
      },
    });
    return {
      ...{ recipe, halves: values.half },
      about: `${countParameters(net).toLocaleString("en")} parameters, a bridge for ${values.operator}`,
      files: async (params) => ({ "model.safetensors": await paramBytes(params, { dtype: "f16", metadata }) }),
    };
  },
});

/** Published: LPIPS, learning rate 5e-5, batch 4, 50,000 steps, EMA .9999. */
export const cosign = method({
  about: "CoSIGN: a control that guides a few-step prior by measurements, for one kind of operator",
  prior: "wanted",
  settings: {
    ...MEASURED,
    distance: { value: "l2", about: "of the guess from the picture", choices: ["l2", "huber"] },
  },
  defaults: { lr: 5e-5, decay: "constant", batch: 4, ema: 0.999 },
  make(values, given) {
    const { prior } = given;
    if (prior?.metadata.precondition !== "consistency")
      throw new WeightsError("cosign: expected the prior that `proxel train consistency` wrote; give --prior FILE");
    const { control, options } = controlOf(prior.metadata);
    const draw = pairs(values, given);
    const recipe = cosignTraining({
      ...{ ...options, control, base: prior.params },
      distance: values.distance === "l2" ? squaredError : pseudoHuber(),
      async batch(random) {
        const { x, start } = await draw(random);
        return { x0: x, hint: start };
      },
    });
    const metadata = { ...prior.metadata, architecture: "cosign", operator: values.operator };
    return {
      recipe,
      about: `${countParameters(control).toLocaleString("en")} parameters that guide ${prior.description} for ${values.operator}`,
      files: async (own) => ({
        "model.safetensors": await paramBytes(
          { ...prefixed("control", own), ...prefixed("base", prior.params) },
          { dtype: "f16", metadata },
        ),
      }),
    };
  },
});
