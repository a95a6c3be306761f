import wgslKeys from "../shaders/attention_keys.wgsl";
import wgslLogits from "../shaders/attention_logits.wgsl";
import wgslSoftmax from "../shaders/attention_softmax.wgsl";
import wgslValues from "../shaders/attention_values.wgsl";
import { grid1d, type Inputs, kernel } from "../src/tensor/kernel.ts";
import { empty, type Tensor } from "../src/tensor/tensor.ts";
import { deltas, type Heads, named, type Plan, type Saved, type Targets } from "./attention_plan.ts";

/** A block of rows of the logits: of (sample, head) z0…, queries t0…; `pitch` vectors of 4 keys to a row. */
interface Block {
  z0: number;
  zs: number;
  t0: number;
  ts: number;
  pitch: number;
}
/** Bytes of one scratch tensor. Small enough to stay in a processor's cache, where this schedule runs. */
export const SCRATCH = 4 << 20;

/** Blocks that cover all rows within the budget: several heads, or a part of one. */
function blocks({ N, heads, Tq, Tk }: Plan, budget: number): Block[] {
  const pitch = Math.ceil(Tk / 4);
  const rows = Math.max(8, Math.floor(budget / (16 * pitch)));
  const out: Block[] = [];
  const zs = Math.max(1, Math.floor(rows / Tq));
  const ts = Math.min(Tq, rows);
  for (let z0 = 0; z0 < N * heads; z0 += zs)
    for (let t0 = 0; t0 < Tq; t0 += ts)
      out.push({ z0, zs: Math.min(zs, N * heads - z0), t0, ts: Math.min(ts, Tq - t0), pitch });
  return out;
}

const common = ({ Tq, Tk, heads, CH4 }: Plan, block: Block) => ({ Tq, Tk, heads, CH4, ...block });
const scratchShape = ({ zs, ts, pitch }: Block) => [zs, ts, 4 * pitch];

/** Tiles: rows, and vectors of keys. What is beyond the last is computed in vain, which spares a pipeline. */
const [TM, TJ] = [8, 2];
const vectorsOf = ({ CH4 }: Plan) => (CH4 % 2 ? 1 : 2);

type LogitsOptions = { plan: Plan; block: Block; a: Heads; b: Heads; mode: 0 | 1 | 2; scale: number };
const logits = kernel<LogitsOptions>({
  wgsl: wgslLogits,
  params: (_, { plan, block, a, b, mode, scale }) => ({
    ...common(plan, block),
    ...named("a", a),
    ...named("b", b),
    mode,
    scale,
    rows: TM,
    vectors: TJ,
  }),
  shapes: (_, { block }) => ({ s: scratchShape(block) }),
  consts: () => ({ TM, TJ }),
  grid: (_, { block }, wg) => grid1d(block.zs * Math.ceil(block.ts / TM) * Math.ceil(block.pitch / TJ), wg),
});

const softmax = kernel<{ plan: Plan; block: Block }>({
  wgsl: wgslSoftmax,
  params: (_, { plan, block: { z0, zs, t0, ts, pitch } }) => ({ n: zs * ts, Tq: plan.Tq, z0, t0, ts, pitch }),
  shapes: ({ s }, { plan: { N, heads, Tq } }) => ({ w: s.shape, total: [N, heads, Tq], lse: [N, heads, Tq] }),
  grid: (_, { block }, wg) => grid1d(block.zs * block.ts, wg),
});

type SumOptions = { plan: Plan; block: Block; b: Heads; y: Heads; add?: boolean };
const values = kernel<SumOptions>({
  wgsl: wgslValues,
  params: ({ total }, { plan, block, b, y }) => ({
    ...common(plan, block),
    ...named("b", b),
    ...named("y", y),
    rows: TM,
    vectors: vectorsOf(plan),
    divide: total ? 1 : 0,
  }),
  shapes: (_, { plan: { N, Tq, heads, CH4 } }) => ({ y: [N, Tq, heads * CH4 * 4] }),
  consts: (_, { plan }) => ({ TM, TN: vectorsOf(plan) }),
  grid: (_, { plan, block }, wg) => grid1d(block.zs * Math.ceil(block.ts / TM) * (plan.CH4 / vectorsOf(plan)), wg),
});

const keys = kernel<SumOptions>({
  wgsl: wgslKeys,
  params: (_, { plan, block, b, y, add }) => ({
    ...common(plan, block),
    ...named("b", b),
    ...named("y", y),
    add: add ? 1 : 0,
    keys: 4 * TJ,
    vectors: vectorsOf(plan),
  }),
  shapes: (_, { plan: { N, Tk, heads, CH4 } }) => ({ y: [N, Tk, heads * CH4 * 4] }),
  consts: (_, { plan }) => ({ TJ, TN: vectorsOf(plan) }),
  grid: (_, { plan, block }, wg) => grid1d(block.zs * Math.ceil(block.pitch / TJ) * (plan.CH4 / vectorsOf(plan)), wg),
});

/** Attention by blocks of logits in scratch memory: three dispatches a block. */
export function forwardPasses(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  plan: Plan,
  budget = SCRATCH,
): { o: Tensor; lse: Tensor } {
  const { N, Tq, heads, CH4 } = plan;
  const o = empty([N, Tq, heads * CH4 * 4], q.dtype, q.storage.gpu);
  const [total, lse] = [0, 1].map(() => empty([N, heads, Tq], "f32", q.storage.gpu)) as [Tensor, Tensor];
  for (const block of blocks(plan, budget)) {
    const { s } = logits(
      { a: q, b: k },
      { plan, block, a: plan.q, b: plan.k, mode: 0, scale: plan.scale * Math.LOG2E },
    );
    const { w } = softmax({ s }, { plan, block }, { total, lse });
    values({ w, b: v, total }, { plan, block, b: plan.v, y: plan.o }, { y: o });
    s?.dispose();
    w?.dispose();
  }
  return { o, lse };
}

/** The weights are computed again, from the saved log-sum-exp. */
export function vjpPasses(
  dy: Tensor,
  { q, k, v, o, lse }: Saved,
  plan: Plan,
  { dq, dk, dv }: Targets,
  budget = SCRATCH,
): void {
  const { delta } = deltas({ o, dy }, plan);
  for (const block of blocks(plan, budget)) {
    const of = { plan, block };
    const add = block.t0 > 0;
    const weights: Inputs = logits(
      { a: q, b: k, lse },
      { ...of, a: plan.q, b: plan.k, mode: 1, scale: plan.scale * Math.LOG2E },
    );
    const w = weights.s as Tensor;
    if (dv) keys({ w, b: dy }, { ...of, b: plan.o, y: plan.v, add }, { y: dv });
    const slopes =
      dq || dk ? logits({ a: dy, b: v, w, delta }, { ...of, a: plan.o, b: plan.v, mode: 2, scale: plan.scale }) : {};
    if (dq) values({ w: slopes.s, b: k }, { ...of, b: plan.k, y: plan.q }, { y: dq });
    if (dk) keys({ w: slopes.s, b: q }, { ...of, b: plan.q, y: plan.k, add }, { y: dk });
    w.dispose();
    slopes.s?.dispose();
  }
  delta?.dispose();
}
