import wgsl from "../shaders/prox_block_average.wgsl";
import { ShapeError } from "../src/errors.ts";
import { grid1d, kernel } from "../src/tensor/kernel.ts";
import { op } from "../src/tensor/op.ts";
import type { Shape } from "../src/tensor/shape.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { blockSum } from "./pool.ts";
import { proxScale } from "./prox_scale.ts";

interface Options {
  k: number;
  c: number;
  /** Of y: [N, H, W, C]. */
  low: Shape;
}
const count = ([n, h, w, c]: Shape) => (n as number) * (h as number) * (w as number) * (c as number);

const run = kernel<Options>({
  wgsl,
  params: (_, { k, c, low }) => ({ n: count(low), W: low[2] as number, C: low[3] as number, k, c }),
  shapes: (_, { k, low: [n, h, w, c] }) => ({ x: [n as number, k * (h as number), k * (w as number), c as number] }),
  grid: (_, { low }, wg) => grid1d(count(low), wg),
  overrides: ({ y, v }) => ({ HAS_Y: Number(Boolean(y)), HAS_V: Number(Boolean(v)) }),
});

const apply = op<Options>({
  name: "proxBlockAverage",
  forward: ([y, v], options) => ({ out: run({ y, v }, options).x as Tensor }),
  // 1 - c (spread of the mean) is symmetric; the adjoint of spreading is summing
  vjp: (dx, _, o, needs): (Tensor | null)[] => [
    needs[0] ? blockSum(dx, o.k, o.c) : null,
    needs[1] ? apply([undefined, dx], o) : null,
  ],
});

/** argmin ½|Ax - y|² + (rho/2)|x - v|² where A averages blocks of factor x factor pixels; rho may be 0 or Infinity. */
export function proxBlockAverage({ y, v, rho, factor }: { y: Tensor; v: Tensor; rho: number; factor: number }): Tensor {
  const [n, h, w, c] = v.shape as [number, number, number, number];
  const low = [n, h / factor, w / factor, c];
  if (y.dtype !== v.dtype || y.shape.length !== 4 || low.some((size, i) => size !== y.shape[i]))
    throw new ShapeError(
      `proxBlockAverage: expected y ${v.dtype} [${low}] for v [${v.shape}] and factor ${factor}, got ${y.dtype} [${y.shape}]`,
    );
  const { s, r } = proxScale("proxBlockAverage", rho);
  return apply([y, v], { k: factor, c: s / (s + r * factor * factor), low });
}
