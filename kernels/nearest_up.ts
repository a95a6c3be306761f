import wgsl from "../shaders/nearest_up.wgsl";
import { grid1d, kernel, lanesFor } from "../src/tensor/kernel.ts";
import { op } from "../src/tensor/op.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { decimate } from "./decimate.ts";
import { channels, natural, nhwc } from "./nhwc.ts";
import { blockSum } from "./pool.ts";

interface Options {
  r: number;
  scale: number;
  /** Height and width of the output. */
  size: readonly [number, number];
  insert: boolean;
}
const vectors = (x: Tensor, { size: [Ho, Wo] }: Options) =>
  ((x.shape[0] as number) * Ho * Wo * channels(x)) / lanesFor(channels(x));
const run = kernel<Options>({
  wgsl,
  params: ({ x }, options) => {
    const [, H, W] = x.shape;
    const [Ho, Wo] = options.size;
    return {
      n: vectors(x, options),
      C: channels(x) / lanesFor(channels(x)),
      W,
      H,
      Wo,
      Ho,
      scale: options.scale,
    };
  },
  shapes: ({ x }, { size }) => ({ y: [x.shape[0], ...size, x.shape[3]] }),
  grid: ({ x }, options, wg) => grid1d(vectors(x, options), wg),
  lanes: ({ x }) => lanesFor(channels(x)),
  overrides: (_, { r, insert }) => ({ R: r, INSERT: insert ? 1 : 0 }),
  complex: true,
});
const apply = op<Options>({
  name: "nearestUp",
  forward: ([x], options) => ({ out: run({ x }, options).y as Tensor }),
  vjp: (dy, _, { r, scale, insert }) => [insert ? decimate(dy, r) : blockSum(dy, r, scale)],
});

/** scale times each pixel, repeated r x r times; zero beyond, where `size` is larger. The adjoint of `blockSum`. */
export function spread(
  x: Tensor,
  r: number,
  { scale = 1, size }: { scale?: number; size?: readonly [number, number] } = {},
): Tensor {
  const [, H, W] = nhwc("nearestUp", x);
  natural("nearestUp", "the factor", r);
  return apply([x], { r, scale, size: size ?? [H * r, W * r], insert: false });
}
/** Each pixel repeated, factor x factor times. */
export const nearestUp = (x: Tensor, factor = 2): Tensor => spread(x, factor);

/** Each pixel at the corner (0, 0) of an s x s block of zeros. The adjoint of `decimate`, whose input has `size`. */
export function zeroInsert(x: Tensor, s: number, size?: readonly [number, number]): Tensor {
  const [, H, W] = nhwc("zeroInsert", x);
  natural("zeroInsert", "the factor", s);
  const full = size ?? [H * s, W * s];
  if (Math.ceil(full[0] / s) !== H || Math.ceil(full[1] / s) !== W)
    throw new RangeError(`zeroInsert: every ${s}-th pixel of [${full}] is not [${[H, W]}]`);
  return apply([x], { r: s, scale: 1, size: full, insert: true });
}
