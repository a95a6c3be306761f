import { batchNorm as normalise } from "../../kernels/batch_norm.ts";
import type { Shape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Params, Specs } from "./net.ts";

/** PyTorch's BatchNorm in inference: declared and run, with the ReLU that follows, under its names. */
export const batchNorm = {
  declare(specs: Specs, name: string, channels: number): void {
    specs[`${name}.weight`] = { shape: [channels], init: 1 };
    specs[`${name}.bias`] = { shape: [channels], init: 0 };
    specs[`${name}.running_mean`] = { shape: [channels], init: 0, buffer: true };
    specs[`${name}.running_var`] = { shape: [channels], init: 1, buffer: true };
  },
  /** What a checkpoint also holds, and nobody needs. */
  counters: (specs: Readonly<Specs>): Record<string, Shape> =>
    Object.fromEntries(
      Object.keys(specs)
        .filter((name) => name.endsWith(".running_var"))
        .map((name) => [name.replace(/running_var$/, "num_batches_tracked"), []]),
    ),
  apply(p: Params, name: string, x: Tensor, eps: number): Tensor {
    const at = (part: string) => p[`${name}.${part}`] as Tensor;
    const statistics = { mean: at("running_mean"), variance: at("running_var") };
    return normalise(x, { ...statistics, gamma: at("weight"), beta: at("bias"), eps, relu: true });
  },
};
