import { op } from "../src/tensor/op.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { zeroInsert } from "./nearest_up.ts";
import { natural, nhwc } from "./nhwc.ts";
import { gather } from "./pad.ts";

const apply = op<{ s: number; size: readonly [number, number] }>({
  name: "decimate",
  forward: ([x], { s, size: [H, W] }) => ({
    out: gather(x as Tensor, { size: [Math.ceil(H / s), Math.ceil(W / s)], origin: [0, 0], step: s }),
  }),
  vjp: (dy, _, { s, size }) => [zeroInsert(dy, s, size)],
});

/** Every s-th pixel of every s-th row: index (0, 0) of each s x s block. */
export function decimate(x: Tensor, s: number): Tensor {
  const [, H, W] = nhwc("decimate", x);
  natural("decimate", "the factor", s);
  return apply([x], { s, size: [H, W] });
}

export { zeroInsert } from "./nearest_up.ts";
