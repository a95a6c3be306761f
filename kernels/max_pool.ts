import wgsl from "../shaders/max_pool.wgsl";
import wgslVjp from "../shaders/max_pool_vjp_x.wgsl";
import { ShapeError } from "../src/errors.ts";
import { kernel, lanesFor } from "../src/tensor/kernel.ts";
import { op } from "../src/tensor/op.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { channels } from "./nhwc.ts";
import { type PoolOptions, poolGrid, poolParams, type Windows, windowsOf } from "./pool_window.ts";

const run = kernel<Windows>({
  wgsl,
  params: ({ x }, w) => poolParams(x as Tensor, w, w.to),
  shapes: (_, { to }) => ({ y: to }),
  grid: ({ x }, { to }, wg) => poolGrid(x as Tensor, to, wg),
  lanes: ({ x }) => lanesFor(channels(x as Tensor)),
});
const runVjp = kernel<Windows>({
  wgsl: wgslVjp,
  params: ({ x }, w) => poolParams(x as Tensor, w, w.from),
  shapes: (_, { from }) => ({ dx: from }),
  grid: ({ x }, { from }, wg) => poolGrid(x as Tensor, from, wg),
  lanes: ({ x }) => lanesFor(channels(x as Tensor)),
});

/** What `value` holds where x is largest: linear in value, and constant in x wherever it has a derivative. */
const pick = op<Windows>({
  name: "maxPool",
  forward: ([x, value], windows) => ({ out: run({ x, value }, windows).y as Tensor, saved: [x] }),
  vjp: (dy, [x]: [Tensor], windows): (Tensor | null)[] => [null, spread([x, dy], windows)],
});
const spread = op<Windows>({
  name: "maxPoolVjp",
  forward: ([x, dy], windows) => ({ out: runVjp({ x, dy }, windows).dx as Tensor, saved: [x] }),
  vjp: (g, [x]: [Tensor], windows) => [null, pick([x, g], windows)],
});

/** The largest of each window of x [N, H, W, C]; of equals, the first has the gradient, as in PyTorch. */
export function maxPool(x: Tensor, options: PoolOptions): Tensor {
  if (x.dtype === "c64") throw new ShapeError("maxPool: x must be real, got c64");
  return pick([x, x], windowsOf("maxPool", x, options));
}
