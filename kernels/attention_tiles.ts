import wgsl from "../shaders/attention.wgsl";
import wgslVjp from "../shaders/attention_vjp.wgsl";
import { kernel } from "../src/tensor/kernel.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { deltas, type Heads, named, type Plan, type Saved, type Targets } from "./attention_plan.ts";

/** Vectors of channels to a thread, 8 threads along them: at most 4; and workgroups that share the channels of a head. */
function slabs({ CH4 }: Plan) {
  const DV = Math.min(4, Math.ceil(CH4 / 8));
  return { DV, slabs: Math.ceil(CH4 / (8 * DV)) };
}

/** Threads along rows, 4 rows to each: fewer where otherwise too few workgroups would be at work. */
function rowThreads(plan: Plan, T: number): number {
  for (const RT of [16, 8]) if (workgroups(plan, T, RT) >= 256) return RT;
  return 4;
}
const workgroups = (plan: Plan, T: number, RT: number) =>
  plan.N * plan.heads * slabs(plan).slabs * Math.ceil(T / (4 * RT));

const run = kernel<Plan>({
  wgsl,
  params: (_, { Tq, Tk, heads, CH4, scale, q, k, v, ...plan }) => ({
    ...{ Tq, Tk, heads, CH4, scale, slabs: slabs({ CH4, ...plan } as Plan).slabs },
    ...named("q", q),
    ...named("k", k),
    ...named("v", v),
  }),
  shapes: ({ q }, { N, Tq, heads, CH4 }) => ({ o: [N, Tq, heads * CH4 * 4], lse: [q.shape[0], heads, Tq] }),
  consts: (_, plan) => ({ RT: rowThreads(plan, plan.Tq), DV: slabs(plan).DV }),
  grid: (_, plan) => [slabs(plan).slabs * Math.ceil(plan.Tq / (4 * rowThreads(plan, plan.Tq))), plan.heads, plan.N],
});

interface VjpOptions {
  plan: Plan;
  /** dq, dk, dv. */
  mode: 0 | 1 | 2;
}
const rowsOf = ({ plan: { Tq, Tk }, mode }: VjpOptions) => (mode ? [Tk, Tq] : [Tq, Tk]) as [number, number];
const runVjp = kernel<VjpOptions>({
  wgsl: wgslVjp,
  params(_, options) {
    const { plan, mode } = options;
    const { heads, CH4, scale, q, k, v, o } = plan;
    const [Ta, Tb] = rowsOf(options);
    const [a, b, e, f, y] = (mode ? [k, q, v, o, mode === 1 ? k : v] : [q, k, o, v, q]) as [
      Heads,
      Heads,
      Heads,
      Heads,
      Heads,
    ];
    const places = { ...named("a", a), ...named("b", b), ...named("e", e), ...named("f", f), ...named("y", y) };
    return { Ta, Tb, heads, CH4, scale, slabs: slabs(plan).slabs, phases: mode === 2 ? 1 : 2, ...places };
  },
  shapes: ({ a }) => ({ y: a.shape }),
  consts: (_, options) => ({ RT: rowThreads(options.plan, rowsOf(options)[0]), DV: slabs(options.plan).DV }),
  overrides: (_, { mode }) => ({ MODE: mode }),
  grid(_, options) {
    const [Ta] = rowsOf(options);
    const { plan } = options;
    return [slabs(plan).slabs * Math.ceil(Ta / (4 * rowThreads(plan, Ta))), plan.heads, plan.N];
  },
});

/** Attention in one dispatch, tiles in workgroup memory. */
export function forwardTiles(q: Tensor, k: Tensor, v: Tensor, plan: Plan): { o: Tensor; lse: Tensor } {
  return run({ q, k, v }, plan) as { o: Tensor; lse: Tensor };
}

/** Its gradient in four. */
export function vjpTiles(dy: Tensor, { q, k, v, o, lse }: Saved, plan: Plan, { dq, dk, dv }: Targets): void {
  const { delta } = deltas({ o, dy }, plan);
  if (dq) runVjp({ a: q, b: k, e: dy, f: v, lse, delta }, { plan, mode: 0 }, { y: dq });
  if (dk) runVjp({ a: k, b: q, e: v, f: dy, lse, delta }, { plan, mode: 1 }, { y: dk });
  if (dv) runVjp({ a: k, b: q, e: v, f: dy, lse, delta }, { plan, mode: 2 }, { y: dv });
  delta?.dispose();
}
