import wgsl from "../shaders/poisson.wgsl";
import { grid1d, kernel } from "../src/tensor/kernel.ts";
import { op } from "../src/tensor/op.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { cast } from "./cast.ts";
import type { Rng } from "./random.ts";

const run = kernel<object>({
  wgsl,
  params: ({ rate }) => ({ n: rate.size }),
  shapes: ({ rate }) => ({ y: rate.shape }),
  grid: ({ rate }, _, wg) => grid1d(rate.size, wg),
});
const apply = op<object>({
  name: "poisson",
  forward: ([rate, bits]) => ({ out: run({ rate, bits }, {}).y as Tensor }),
  vjp: () => [null, null], // whole numbers
});

/** Poisson numbers of these means, f32: exact up to means of 1024, rounded normal ones above. No gradient. */
export function poisson(rate: Tensor, rng: Rng): Tensor {
  const bits = rng.bits(rate.shape);
  const mean = cast(rate, "f32");
  const out = apply([mean, bits], {});
  bits.dispose();
  if (mean !== rate) mean.dispose();
  return out;
}
