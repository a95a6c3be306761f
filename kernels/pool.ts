import wgsl from "../shaders/pool.wgsl";
import { grid1d, kernel, lanesFor } from "../src/tensor/kernel.ts";
import { op } from "../src/tensor/op.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { spread } from "./nearest_up.ts";
import { channels, natural, nhwc } from "./nhwc.ts";

interface Options {
  r: number;
  scale: number;
}
const sizes = (x: Tensor, r: number) => {
  const [N, H, W, C] = x.shape as [number, number, number, number];
  const [Ho, Wo] = [Math.floor(H / r), Math.floor(W / r)];
  const lanes = lanesFor(channels(x));
  return { N, H, W, C, Ho, Wo, lanes, n: (N * Ho * Wo * channels(x)) / lanes };
};
const run = kernel<Options>({
  wgsl,
  params: ({ x }, { r, scale }) => {
    const { H, W, Ho, Wo, n, lanes } = sizes(x, r);
    return { n, C: channels(x) / lanes, W, H, Wo, Ho, r, scale };
  },
  shapes: ({ x }, { r }) => {
    const { N, Ho, Wo, C } = sizes(x, r);
    return { y: [N, Ho, Wo, C] };
  },
  grid: ({ x }, { r }, wg) => grid1d(sizes(x, r).n, wg),
  lanes: ({ x }) => lanesFor(channels(x)),
  complex: true,
});
const apply = op<Options & { size: readonly [number, number] }>({
  name: "avgPool",
  forward: ([x], options) => ({ out: run({ x }, options).y as Tensor }),
  vjp: (dy, _, { r, scale, size }) => [spread(dy, r, { scale, size })],
});

/** scale times the sum over each r x r block; rows and columns that fill no block are dropped. */
export function blockSum(x: Tensor, r: number, scale = 1): Tensor {
  const [, H, W] = nhwc("blockSum", x);
  natural("blockSum", "the factor", r);
  return apply([x], { r, scale, size: [H, W] });
}
/** The mean over each r x r block; rows and columns that fill no block are dropped. */
export const avgPool = (x: Tensor, r: number): Tensor => blockSum(x, r, 1 / (r * r));
/** 2 x 2 means, stride 2. */
export const avgPool2 = (x: Tensor): Tensor => avgPool(x, 2);
