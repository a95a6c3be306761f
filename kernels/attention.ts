import { ShapeError } from "../src/errors.ts";
import { op } from "../src/tensor/op.ts";
import { empty, type Tensor } from "../src/tensor/tensor.ts";
import { cropHeads, packQkv, padHeads, type QkvOrder } from "./attention_pack.ts";
import { forwardPasses, vjpPasses } from "./attention_passes.ts";
import type { Heads, Plan } from "./attention_plan.ts";
import { forwardTiles, vjpTiles } from "./attention_tiles.ts";

/** One input is q, k and v in one tensor, three are each its own. */
const three = (inputs: readonly Tensor[]) =>
  (inputs.length === 1 ? [inputs[0], inputs[0], inputs[0]] : inputs) as [Tensor, Tensor, Tensor];

const apply = op<Plan>({
  name: "attention",
  firstOrder: true,
  forward(inputs, plan) {
    const [q, k, v] = three(inputs);
    const { o, lse } = (q.storage.gpu.software ? forwardPasses : forwardTiles)(q, k, v, plan);
    return { out: o, saved: [...inputs, o, lse] };
  },
  vjp(dy, saved: Tensor[], plan, needs) {
    const inputs = saved.slice(0, -2);
    const [q, k, v] = three(inputs);
    const [o, lse] = saved.slice(-2) as [Tensor, Tensor];
    const grads = inputs.map((t, i) => (needs[i] ? empty(t.shape, t.dtype, t.storage.gpu) : undefined));
    const [dq, dk, dv] = inputs.length === 1 ? [grads[0], grads[0], grads[0]] : grads;
    const run = q.storage.gpu.software ? vjpPasses : vjpTiles;
    run(dy, { q, k, v, o, lse }, plan, { dq, dk, dv });
    return grads;
  },
});

export interface AttentionOptions {
  heads: number;
  /** Of the logits; default ch^-1/2. */
  scale?: number;
}

/**
 * softmax(scale q k^T) v, head by head, over tokens: q [N, Tq, heads ch], k and v [N, Tk, heads ch] → [N, Tq, heads ch].
 * Channel c of head h is number h ch + c.
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, { heads, scale }: AttentionOptions): Tensor {
  const [N, Tq, C] = tokens("q", q);
  const [, Tk] = tokens("k", k);
  if (`${k.shape}` !== `${v.shape}` || k.shape[0] !== N || k.shape[2] !== C)
    throw new ShapeError(`attention: k and v expect [${N}, tokens, ${C}] both, got [${k.shape}] and [${v.shape}]`);
  const ch = headSize(C, heads);
  const one = (x: Tensor) => (ch % 4 ? padHeads(x, heads, ch) : x);
  const CH4 = Math.ceil(ch / 4);
  const at: Heads = { row: heads * CH4, each: CH4, at: 0 };
  const plan = { N, Tq, Tk, heads, CH4, scale: scale ?? ch ** -0.5, q: at, k: at, v: at, o: at };
  const o = apply([one(q), one(k), one(v)], plan);
  return ch % 4 ? cropHeads(o, heads, ch) : o;
}

/**
 * Attention of tokens with themselves, qkv [N, T, 3 heads ch] → [N, T, heads ch]. Where q, k, v (part 0, 1, 2) are:
 * "legacy": h 3ch + part ch + c (ADM), "new": part heads ch + h ch + c (ADM, new order), "edm": (h ch + c) 3 + part.
 */
export function attentionQkv(qkv: Tensor, { heads, order, scale }: AttentionOptions & { order: QkvOrder }): Tensor {
  const [N, T, C3] = tokens("qkv", qkv);
  if (C3 % 3) throw new ShapeError(`attention: qkv expects three times the channels, got ${C3}`);
  const ch = headSize(C3 / 3, heads);
  // vectors of 4 channels cannot be read from the "edm" order, nor from heads of odd sizes
  const pack = order === "edm" || ch % 4 > 0;
  const x = pack ? packQkv(qkv, heads, order) : qkv;
  const CH4 = Math.ceil(ch / 4);
  const row = 3 * heads * CH4;
  const part = (i: number): Heads =>
    order === "legacy" && !pack ? { row, each: 3 * CH4, at: i * CH4 } : { row, each: CH4, at: i * heads * CH4 };
  const o: Heads = { row: heads * CH4, each: CH4, at: 0 };
  const plan = { N, Tq: T, Tk: T, heads, CH4, scale: scale ?? ch ** -0.5, q: part(0), k: part(1), v: part(2), o };
  const y = apply([x], plan);
  return ch % 4 ? cropHeads(y, heads, ch) : y;
}

function tokens(name: string, x: Tensor): [number, number, number] {
  if (x.shape.length !== 3 || x.size === 0)
    throw new ShapeError(`attention: ${name} expects [N, tokens, channels], got [${x.shape}]`);
  return x.shape as unknown as [number, number, number];
}
function headSize(C: number, heads: number): number {
  if (!(heads >= 1) || C % heads) throw new ShapeError(`attention: ${C} channels do not divide into ${heads} heads`);
  return C / heads;
}
