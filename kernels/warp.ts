import wgsl from "../shaders/warp.wgsl";
import { ShapeError } from "../src/errors.ts";
import { grid1d, kernel, lanesFor } from "../src/tensor/kernel.ts";
import { op } from "../src/tensor/op.ts";
import { type Tensor, tensor } from "../src/tensor/tensor.ts";
import { channels, nhwc } from "./nhwc.ts";

/** From a result's pixel to a place in the picture, both from the middle: (x, y) to (a x + b y + c, d x + e y + f). */
export type Affine = readonly [a: number, b: number, c: number, d: number, e: number, f: number];

const vectors = (x: Tensor) => x.size / lanesFor(channels(x));
const run = kernel<object>({
  wgsl,
  params: ({ x }) => ({ n: vectors(x), C: channels(x) / lanesFor(channels(x)), W: x.shape[2], H: x.shape[1] }),
  shapes: ({ x }) => ({ y: x.shape }),
  grid: ({ x }, _, wg) => grid1d(vectors(x), wg),
  lanes: ({ x }) => lanesFor(channels(x)),
});
const apply = op<object>({
  name: "warp",
  forward: ([x, m]) => ({ out: run({ x, m }, {}).y as Tensor }),
});

/**
 * Each picture of [N, H, W, C] drawn again through an affine map of its own, by Catmull-Rom's cubic, mirrored beyond its
 * edges. Whole shifts, flips and quarter turns of squares are exact. It has no gradient: it is for data.
 */
export function warp(x: Tensor, maps: readonly Affine[]): Tensor {
  const [N] = nhwc("warp", x);
  if (maps.length !== N || maps.some((m) => m.length !== 6 || !m.every(Number.isFinite)))
    throw new ShapeError(`warp: expected ${N} maps of 6 finite numbers, one for each picture, got ${maps.length}`);
  const m = tensor([N, 6], maps.flat());
  const y = apply([x, m], {});
  m.dispose();
  return y;
}
