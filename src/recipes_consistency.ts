import { prior as priorOf } from "./catalogue.ts";
import { precondition } from "./diffusion/precondition.ts";
import { WeightsError } from "./errors.ts";
import { countParameters, initParams, type Params } from "./nets/net.ts";
import { method } from "./recipes_shared.ts";
import { copyBuffer, type Tensor } from "./tensor/tensor.ts";
import { consistencyDistillation, consistencyGrid } from "./train/consistency.ts";
import { drawBatch } from "./train/data.ts";
import { pseudoHuber, squaredError } from "./train/distance.ts";
import { paramBytes } from "./weights/params.ts";

export const consistency = method({
  about: "a few-step model from a denoising prior, by consistency distillation",
  prior: "wanted",
  settings: {
    teacher: { value: true, about: "its ODE is followed; false: the noise that was added (consistency training)" },
    ode: { value: "heun", about: "step between neighbouring levels", choices: ["heun", "euler"] },
    levels: { value: 40, about: "levels of the grid, rho = 7, over what the prior knows", whole: true, min: 2 },
    distance: { value: "huber", about: "of student and target", choices: ["huber", "l2"] },
    target: { value: "average", about: "whom it learns from: its average, or itself", choices: ["average", "itself"] },
  },
  defaults: { steps: 2000, batch: 16, lr: 1e-4, decay: "constant", warmup: 100, ema: 0.95 },
  make(values, { data, prior }) {
    if (!prior?.edm)
      throw new WeightsError("consistency: expected a prior of `proxel train edm` as its teacher; give --prior FILE");
    const teacher = prior.denoiser(prior.params);
    const { sigmaMin, sigmaMax } = teacher;
    const range = { sigmaMin, sigmaMax };
    const metadata = {
      ...prior.metadata,
      ...{ precondition: "consistency", sigma_min: String(sigmaMin), sigma_max: String(sigmaMax) },
    };
    const { net, sigmaData, F } = priorOf(metadata);
    const shape = { channels: net.inChannels, multipleOf: net.multipleOf };
    const recipe = consistencyDistillation({
      ...(values.teacher && { teacher }),
      ode: values.ode as "heun" | "euler",
      levels: consistencyGrid(range, values.levels),
      distance: values.distance === "l2" ? squaredError : pseudoHuber(),
      target: values.target as "average" | "itself",
      f: (params: Params) => precondition.consistency(F(params), { sigmaData, ...shape, ...range }),
      init(random) {
        const made = initParams(net, random);
        for (const [name, t] of Object.entries(prior.params)) copyBuffer(t, made.tree[name] as Tensor);
        return made;
      },
      batch: (random) => drawBatch(data, { size: values.size, count: values.batch }, random),
    });
    return {
      recipe,
      about: `${countParameters(net).toLocaleString("en")} parameters, taught by ${prior.description}`,
      files: async (params) => ({ "prior.safetensors": await paramBytes(params, { dtype: "f16", metadata }) }),
    };
  },
});
