import wgslDelta from "../shaders/attention_vjp_delta.wgsl";
import { grid1d, kernel } from "../src/tensor/kernel.ts";
import type { Tensor } from "../src/tensor/tensor.ts";

/** Where a tensor has its heads: channel c of head h of token t at t row + h each + c + at. In vectors of 4 channels. */
export interface Heads {
  row: number;
  each: number;
  at: number;
}
export interface Plan {
  N: number;
  Tq: number;
  Tk: number;
  heads: number;
  CH4: number;
  /** Of the logits, natural. */
  scale: number;
  q: Heads;
  k: Heads;
  v: Heads;
  /** Of the output, and of its cotangent. */
  o: Heads;
}

/** Tensors to write cotangents into, where these are wanted, laid out as q, k and v are. */
export interface Targets {
  dq?: Tensor | undefined;
  dk?: Tensor | undefined;
  dv?: Tensor | undefined;
}
export interface Saved {
  q: Tensor;
  k: Tensor;
  v: Tensor;
  o: Tensor;
  lse: Tensor;
}

/** A place of heads as params of the name. */
export const named = (name: string, { row, each, at }: Heads) => ({
  [`row_${name}`]: row,
  [`each_${name}`]: each,
  [`at_${name}`]: at,
});
export const deltas = kernel<Plan>({
  wgsl: wgslDelta,
  params: (_, { N, Tq, heads, CH4 }) => ({ n: N * Tq * heads, Tq, heads, CH4 }),
  shapes: (_, { N, Tq, heads }) => ({ delta: [N, heads, Tq] }),
  grid: (_, { N, Tq, heads }, wg) => grid1d(N * Tq * heads, wg),
});
