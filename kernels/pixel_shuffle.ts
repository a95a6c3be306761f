import wgsl from "../shaders/pixel_shuffle.wgsl";
import { ShapeError } from "../src/errors.ts";
import { grid1d, kernel } from "../src/tensor/kernel.ts";
import { op } from "../src/tensor/op.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { natural, nhwc } from "./nhwc.ts";

interface Options {
  r: number;
  /** Towards space: shuffle. Else towards channels: unshuffle. */
  space: boolean;
}
const small = (x: Tensor, { r, space }: Options) => {
  const [N, H, W, C] = x.shape as [number, number, number, number];
  return space ? { N, h: H, w: W, C: C / (r * r) } : { N, h: H / r, w: W / r, C };
};
const run = kernel<Options>({
  wgsl,
  params: ({ input: x }, options) => {
    const { h, w, C } = small(x, options);
    return { n: x.size, C, w, h, r: options.r };
  },
  shapes: ({ input: x }, options) => {
    const { N, h, w, C } = small(x, options);
    const { r, space } = options;
    return { output: space ? [N, h * r, w * r, C] : [N, h, w, C * r * r] };
  },
  grid: ({ input: x }, _, wg) => grid1d(x.size, wg),
  overrides: (_, { space }) => ({ SPACE: space ? 1 : 0 }),
});
const apply = op<Options>({
  name: "pixelShuffle",
  forward: ([x], options) => ({ out: run({ input: x }, options).output as Tensor }),
  vjp: (dy, _, { r, space }): Tensor[] => [apply([dy], { r, space: !space })],
});

/** [N, H, W, C] to [N, H/r, W/r, C r^2]: pixel (a, b) of each block becomes channel c r^2 + a r + b. */
export function pixelUnshuffle(x: Tensor, r: number): Tensor {
  const [, H, W] = nhwc("pixelUnshuffle", x);
  natural("pixelUnshuffle", "the factor", r);
  if (H % r || W % r)
    throw new ShapeError(`pixelUnshuffle: [${[H, W]}] does not divide into ${r} x ${r} blocks; pad it first`);
  return apply([x], { r, space: false });
}

/** [N, H, W, C r^2] to [N, r H, r W, C], the way back. */
export function pixelShuffle(x: Tensor, r: number): Tensor {
  const [, , , C] = nhwc("pixelShuffle", x);
  natural("pixelShuffle", "the factor", r);
  if (C % (r * r)) throw new ShapeError(`pixelShuffle: ${C} channels do not divide into groups of ${r * r}`);
  return apply([x], { r, space: true });
}
