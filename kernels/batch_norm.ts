import wgsl from "../shaders/batch_norm.wgsl";
import { ShapeError } from "../src/errors.ts";
import { grid1d, kernel, lanesFor } from "../src/tensor/kernel.ts";
import { type Maybe, op } from "../src/tensor/op.ts";
import { sameShape } from "../src/tensor/shape.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { keep, mul } from "./broadcast.ts";
import { cast } from "./cast.ts";
import { channels } from "./nhwc.ts";
import { sumTo } from "./reduce.ts";

interface Options {
  eps: number;
  relu: boolean;
}
const run = kernel<Options>({
  wgsl,
  params: ({ x, mean, gamma, beta }, { eps }) => {
    const [t, lanes] = [x as Tensor, lanesFor(channels(x as Tensor))];
    const has = { centred: mean ? 1 : 0, scaled: gamma ? 1 : 0, shifted: beta ? 1 : 0 };
    return { n: t.size / lanes, C: channels(t) / lanes, eps, ...has };
  },
  shapes: ({ x }) => ({ y: (x as Tensor).shape }),
  grid: ({ x }, _, wg) => grid1d((x as Tensor).size / lanesFor(channels(x as Tensor)), wg),
  lanes: ({ x }) => lanesFor(channels(x as Tensor)),
  overrides: (_, { relu }) => ({ RELU: relu ? 1 : 0 }),
});

const apply = op<Options>({
  name: "batchNorm",
  forward([x, variance, mean, gamma, beta], options) {
    const out = run({ x, variance, mean, gamma, beta }, options).y as Tensor;
    return { out, saved: [x, variance, mean, gamma, options.relu ? out : undefined] };
  },
  vjp(dy, [x, variance, mean, gamma, y]: [Tensor, Tensor, Maybe, Maybe, Maybe], { eps }, needs): (Tensor | null)[] {
    if (needs[1] || needs[2])
      throw new TypeError("batchNorm: it has no gradient for the statistics, which are given; wrap them in constant()");
    const dz = y ? keep(y, dy) : dy;
    const linear = (t: Tensor, m: Maybe, g: Maybe) => apply([t, variance, m, g], { eps, relu: false });
    const perChannel = (t: Tensor) => cast(sumTo(t, variance.shape), "f32");
    return [
      needs[0] ? linear(dz, undefined, gamma) : null,
      null,
      null,
      needs[3] ? perChannel(mul(dz, linear(x, mean, undefined))) : null,
      needs[4] ? perChannel(dz) : null,
    ];
  },
});

export interface BatchNormOptions {
  mean: Tensor;
  variance: Tensor;
  gamma: Tensor;
  beta: Tensor;
  eps?: number;
  relu?: boolean;
}

/** (x - mean) gamma / sqrt(variance + eps) + beta, then max(0, .) with `relu`: x [.., C], the rest [C]. */
export function batchNorm(
  x: Tensor,
  { mean, variance, gamma, beta, eps = 1e-5, relu = false }: BatchNormOptions,
): Tensor {
  if (x.dtype === "c64") throw new ShapeError("batchNorm: x must be real, got c64");
  for (const [name, t] of Object.entries({ mean, variance, gamma, beta }))
    if (!sameShape(t.shape, [x.shape.at(-1) as number]))
      throw new ShapeError(`batchNorm: ${name} expects [${x.shape.at(-1)}], got [${t.shape}]`);
  const [v, m, g, b] = [variance, mean, gamma, beta].map((t) => cast(t, "f32"));
  return apply([x, v, m, g, b], { eps, relu });
}
