import wgsl from "../shaders/mean_pool.wgsl";
import wgslVjp from "../shaders/mean_pool_vjp_x.wgsl";
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
  complex: true,
});
const runVjp = kernel<Windows>({
  wgsl: wgslVjp,
  params: ({ dy }, w) => poolParams(dy as Tensor, w, w.from),
  shapes: (_, { from }) => ({ dx: from }),
  grid: ({ dy }, { from }, wg) => poolGrid(dy as Tensor, from, wg),
  lanes: ({ dy }) => lanesFor(channels(dy as Tensor)),
  complex: true,
});

const apply = op<Windows>({
  name: "meanPool",
  forward: ([x], windows) => ({ out: run({ x }, windows).y as Tensor }),
  vjp: (dy, _, windows): Tensor[] => [adjoint([dy], windows)],
});
const adjoint = op<Windows>({
  name: "meanPoolVjp",
  forward: ([dy], windows) => ({ out: runVjp({ dy }, windows).dx as Tensor }),
  vjp: (g, _, windows) => [apply([g], windows)],
});

/** The mean of those pixels of each window that lie in x [N, H, W, C]: PyTorch's `count_include_pad=False`. */
export const meanPool = (x: Tensor, options: PoolOptions): Tensor => apply([x], windowsOf("meanPool", x, options));
