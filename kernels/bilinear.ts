import wgsl from "../shaders/bilinear.wgsl";
import wgslVjp from "../shaders/bilinear_vjp_x.wgsl";
import { grid1d, kernel, lanesFor } from "../src/tensor/kernel.ts";
import { op } from "../src/tensor/op.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { channels, natural, nhwc } from "./nhwc.ts";

type Pair = readonly [number, number];
interface Options {
  /** Height and width of x, and of the result. */
  from: Pair;
  to: Pair;
}
const vectors = (t: Tensor, [H, W]: Pair) => ((t.shape[0] as number) * H * W * channels(t)) / lanesFor(channels(t));
const params = (t: Tensor, { from, to }: Options, over: Pair) => ({
  ...{ n: vectors(t, over), C: channels(t) / lanesFor(channels(t)) },
  ...{ H: from[0], W: from[1], Ho: to[0], Wo: to[1] },
});
const shaped = (t: Tensor, [H, W]: Pair) => [t.shape[0] as number, H, W, t.shape[3] as number];

const run = kernel<Options>({
  wgsl,
  params: ({ x }, o) => params(x as Tensor, o, o.to),
  shapes: ({ x }, { to }) => ({ y: shaped(x as Tensor, to) }),
  grid: ({ x }, { to }, wg) => grid1d(vectors(x as Tensor, to), wg),
  lanes: ({ x }) => lanesFor(channels(x as Tensor)),
  complex: true,
});
const runVjp = kernel<Options>({
  wgsl: wgslVjp,
  params: ({ dy }, o) => params(dy as Tensor, o, o.from),
  shapes: ({ dy }, { from }) => ({ dx: shaped(dy as Tensor, from) }),
  grid: ({ dy }, { from }, wg) => grid1d(vectors(dy as Tensor, from), wg),
  lanes: ({ dy }) => lanesFor(channels(dy as Tensor)),
  complex: true,
});

const apply = op<Options>({
  name: "resizeBilinear",
  forward: ([x], options) => ({ out: run({ x }, options).y as Tensor }),
  vjp: (dy, _, options): Tensor[] => [adjoint([dy], options)],
});
const adjoint = op<Options>({
  name: "resizeBilinearVjp",
  forward: ([dy], options) => ({ out: runVjp({ dy }, options).dx as Tensor }),
  vjp: (g, _, options) => [apply([g], options)],
});

/**
 * x [N, H, W, C] resized to height and width by two linear interpolations: PyTorch's `interpolate(mode="bilinear",
 * align_corners=False)`. Shrinking aliases: there is no filter before it.
 */
export function resizeBilinear(x: Tensor, [height, width]: readonly [height: number, width: number]): Tensor {
  const [, H, W] = nhwc("resizeBilinear", x);
  natural("resizeBilinear", "height and width", height, width);
  // the shaders count half pixels of both sizes, in 32 bits
  if (Math.max((H + 1) * height, (W + 1) * width) > 2 ** 30)
    throw new RangeError(
      `resizeBilinear: [${H}, ${W}] to [${height}, ${width}] is beyond 32 bits; go there in two steps`,
    );
  return apply([x], { from: [H, W], to: [height, width] });
}
