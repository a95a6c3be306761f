import wgsl from "../shaders/attention_pack.wgsl";
import { grid1d, kernel } from "../src/tensor/kernel.ts";
import { op } from "../src/tensor/op.ts";
import type { Tensor } from "../src/tensor/tensor.ts";

/** y's channels counted as [A, B, D], and the steps these take in x; from `limit` on, the last axis holds zeros. */
export interface Order {
  sizes: readonly [number, number, number];
  steps: readonly [number, number, number];
  limit: number;
}

const run = kernel<Order>({
  wgsl,
  params({ x }, { sizes: [A, B, D], steps: [sa, sb, sd], limit }) {
    const CX = x.shape.at(-1);
    return { n: (x.size / CX) * A * B * D, CX, CY: A * B * D, B, D, sa, sb, sd, limit };
  },
  shapes: ({ x }, { sizes: [A, B, D] }) => ({ y: [...x.shape.slice(0, -1), A * B * D] }),
  grid: ({ x }, { sizes: [A, B, D] }, wg) => grid1d((x.size / x.shape.at(-1)) * A * B * D, wg),
});

interface Pair {
  to: Order;
  back: Order;
}
const reorder: (x: readonly Tensor[], orders: Pair) => Tensor = op<Pair>({
  name: "attention",
  forward: ([x], { to }) => ({ out: run({ x }, to).y as Tensor }),
  vjp: (dy, _, { to, back }): [Tensor] => [reorder([dy], { to: back, back: to })],
});

const up4 = (n: number): number => 4 * Math.ceil(n / 4);

/** The official orders of q, k, v in the channels of one tensor; what each means is in `attentionQkv`. */
export type QkvOrder = "legacy" | "new" | "edm";

/** qkv in the "new" order, [part, head, channel], each head filled up to a multiple of 4 channels. */
export function packQkv(qkv: Tensor, heads: number, order: QkvOrder): Tensor {
  const ch = (qkv.shape.at(-1) as number) / (3 * heads);
  const full = up4(ch);
  if (order === "edm") {
    const to: Order = { sizes: [3, heads, full], steps: [1, 3 * ch, 3], limit: ch };
    return reorder([qkv], { to, back: { sizes: [heads, ch, 3], steps: [full, 1, heads * full], limit: 3 } });
  }
  const [part, head] = order === "legacy" ? [ch, 3 * ch] : [heads * ch, ch];
  const to: Order = { sizes: [3, heads, full], steps: [part, head, 1], limit: ch };
  const back: Order =
    order === "legacy"
      ? { sizes: [heads, 3, ch], steps: [full, heads * full, 1], limit: ch }
      : { sizes: [3, heads, ch], steps: [heads * full, full, 1], limit: ch };
  return reorder([qkv], { to, back });
}

/** Heads of ch channels filled up with zeros to a multiple of 4; and back. */
export function padHeads(x: Tensor, heads: number, ch: number): Tensor {
  return reorder([x], padding(heads, ch));
}
export function cropHeads(x: Tensor, heads: number, ch: number): Tensor {
  const { to, back } = padding(heads, ch);
  return reorder([x], { to: back, back: to });
}
const padding = (heads: number, ch: number): { to: Order; back: Order } => ({
  to: { sizes: [1, heads, up4(ch)], steps: [0, ch, 1], limit: ch },
  back: { sizes: [1, heads, ch], steps: [0, up4(ch), 1], limit: ch },
});
