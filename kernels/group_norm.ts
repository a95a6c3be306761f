import wgsl from "../shaders/group_norm.wgsl";
import wgslStats from "../shaders/group_norm_stats.wgsl";
import wgslTable from "../shaders/group_norm_table.wgsl";
import { ShapeError } from "../src/errors.ts";
import { grid1d, type Inputs, kernel } from "../src/tensor/kernel.ts";
import { type Maybe, op } from "../src/tensor/op.ts";
import { scope } from "../src/tensor/scope.ts";
import type { Shape } from "../src/tensor/shape.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { groupNormOps } from "./group_norm_ops.ts";
import { extents, lanesPerGroup, type Plan, pixelRuns, SUMS, strideOf, WRITES } from "./group_norm_plan.ts";
import { groupNormVjp } from "./group_norm_vjp.ts";

export interface GroupNormOptions {
  groups: number;
  /** Default 1e-5. */
  eps?: number;
  /** SiLU at the end. */
  silu?: boolean;
  /** [N, C] each: after gamma and beta, times 1 + scale, plus shift. */
  scale?: Tensor;
  shift?: Tensor;
  /** [N, 2C]: scale and shift as the halves of one tensor. */
  scaleShift?: Tensor;
  /** Channels that follow those of x, as if concatenated. */
  x2?: Tensor;
  /** Written in ops, which costs time and memory and can be differentiated twice. */
  composed?: boolean;
}

const stats = kernel<object>({
  wgsl: wgslStats,
  params: ({ x, x2 }) => pixelRuns(x, x2, SUMS),
  shapes: ({ x, x2 }) => {
    const { N, C } = extents(x, x2);
    return { partial: [N, pixelRuns(x, x2, SUMS).K, 3, C] };
  },
  grid: ({ x, x2 }, _, wg) => grid1d(pixelRuns(x, x2, SUMS).n, wg),
  lanes: ({ x, x2 }) => extents(x, x2).lanes,
  overrides: ({ x2 }) => ({ HAS_X2: x2 ? 1 : 0 }),
});

const table = kernel<Plan & { x: Tensor; x2: Maybe }>({
  wgsl: wgslTable,
  params({ partial, scale }, { x, x2, groups, eps, joint }) {
    const [N, K, , C] = partial.shape as [number, number, number, number];
    const { HW, R, T } = pixelRuns(x, x2, SUMS);
    return { n: N * groups, HW, C, G: groups, K, R, T, stride: strideOf(scale), shiftAt: joint ? C : 0, eps };
  },
  shapes: ({ partial }) => ({ table: [partial.shape[0], 5, partial.shape[3]] }),
  grid: ({ partial }, { groups }, wg) => grid1d(partial.shape[0] * groups * lanesIn(partial, groups), wg),
  overrides: ({ partial, gamma, scale }, { groups }) => ({
    LANES_PER_GROUP: lanesIn(partial, groups),
    HAS_AFFINE: gamma ? 1 : 0,
    HAS_SCALE: scale ? 1 : 0,
  }),
});
const lanesIn = (partial: Tensor, groups: number): number =>
  lanesPerGroup(partial, ((partial.shape[1] as number) * (partial.shape[3] as number)) / groups);

const normalise = kernel<Plan>({
  wgsl,
  params: ({ x, x2 }) => pixelRuns(x, x2, WRITES),
  shapes: ({ x, x2 }) => ({ y: [...x.shape.slice(0, -1), extents(x, x2).C] }),
  grid: ({ x, x2 }, _, wg) => grid1d(pixelRuns(x, x2, WRITES).n, wg),
  lanes: ({ x, x2 }) => extents(x, x2).lanes,
  overrides: ({ x2 }, { silu }) => ({ HAS_X2: x2 ? 1 : 0, SILU: silu ? 1 : 0 }),
});

const apply = op<Plan>({
  name: "groupNorm",
  firstOrder: true,
  forward: ([x, gamma, beta, x2, scale, shift], plan) =>
    scope(() => {
      const inputs: Inputs = { x, x2 };
      const { partial } = stats(inputs, {});
      const of = { partial, gamma, beta, scale, shift: plan.joint ? scale : shift };
      const numbers = table(of, { ...plan, x: x as Tensor, x2 }).table as Tensor;
      const out = normalise({ ...inputs, table: numbers }, plan).y as Tensor;
      return { out, saved: [x, gamma, beta, x2, scale, numbers] };
    }),
  vjp: groupNormVjp,
});

/**
 * y = act((x - mu) / sqrt(v + eps) gamma + beta), mean and biased variance over each group of C/groups consecutive
 * channels and all pixels of a sample. x is [N, …, C]; gamma and beta [C] go together, or are absent.
 */
export function groupNorm(x: Tensor, gamma: Maybe, beta: Maybe, options: GroupNormOptions): Tensor {
  const { groups, eps = 1e-5, silu = false, scaleShift, x2 } = options;
  const { N, C } = check(x, gamma, beta, options);
  if (scaleShift) expectShape("scaleShift", scaleShift, [N, 2 * C]);
  if (options.composed) return groupNormOps(x, gamma, beta, options);
  const scale = scaleShift ?? options.scale;
  return apply([x, gamma, beta, x2, scale, options.shift], { groups, eps, silu, joint: scaleShift !== undefined });
}

function check(x: Tensor, gamma: Maybe, beta: Maybe, { groups, scale, shift, scaleShift, x2 }: GroupNormOptions) {
  const { N, C } = extents(x, x2);
  if (x2 && `${x2.shape.slice(0, -1)}` !== `${x.shape.slice(0, -1)}`)
    throw new ShapeError(`groupNorm: x is [${x.shape}], x2 [${x2.shape}]; only their channels may differ`);
  if (!(groups >= 1) || C % groups)
    throw new ShapeError(`groupNorm: ${C} channels do not divide into ${groups} groups`);
  if (!gamma !== !beta) throw new TypeError("groupNorm: gamma and beta go together");
  if (!scale !== !shift || (scale && scaleShift))
    throw new TypeError("groupNorm: give scale and shift, or scaleShift, or neither");
  if (gamma) expectShape("gamma", gamma, [C]);
  if (beta) expectShape("beta", beta, [C]);
  if (scale) expectShape("scale", scale, [N, C]);
  if (shift) expectShape("shift", shift, [N, C]);
  return { N, C };
}
function expectShape(name: string, t: Tensor, shape: Shape): void {
  if (`${t.shape}` !== `${shape}`) throw new ShapeError(`groupNorm: ${name} expects [${shape}], got [${t.shape}]`);
}
