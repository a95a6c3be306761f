import wgslGamma from "../shaders/group_norm_vjp_gamma.wgsl";
import wgslSums from "../shaders/group_norm_vjp_sums.wgsl";
import wgslTable from "../shaders/group_norm_vjp_table.wgsl";
import wgslX from "../shaders/group_norm_vjp_x.wgsl";
import { grid1d, kernel } from "../src/tensor/kernel.ts";
import type { Maybe } from "../src/tensor/op.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { extents, lanesPerGroup, type Plan, pixelRuns, SUMS, strideOf, WRITES } from "./group_norm_plan.ts";

const sums = kernel<Plan>({
  wgsl: wgslSums,
  params: ({ x, x2 }) => pixelRuns(x, x2, SUMS),
  shapes: ({ x, x2 }) => {
    const { N, C } = extents(x, x2);
    return { partial: [N, pixelRuns(x, x2, SUMS).K, 2, C] };
  },
  grid: ({ x, x2 }, _, wg) => grid1d(pixelRuns(x, x2, SUMS).n, wg),
  lanes: ({ x, x2 }) => extents(x, x2).lanes,
  overrides: ({ x2 }, { silu }) => ({ HAS_X2: x2 ? 1 : 0, SILU: silu ? 1 : 0 }),
});

const table = kernel<Plan & { HW: number }>({
  wgsl: wgslTable,
  params({ partial, scale }, { groups, HW }) {
    const [N, K, , C] = partial.shape as [number, number, number, number];
    return { n: N * groups, HW, C, G: groups, K, stride: strideOf(scale) };
  },
  shapes({ partial, scale }, { joint }) {
    const [N, , , C] = partial.shape as [number, number, number, number];
    return { means: [N, 4, C], dscale: scale?.shape ?? [1], dshift: scale && !joint ? scale.shape : [1] };
  },
  grid: ({ partial }, { groups }, wg) =>
    grid1d(partial.shape[0] * groups * lanesPerGroup(partial, partial.shape[1]), wg),
  overrides: ({ partial, gamma, scale }, { joint }) => ({
    LANES_PER_GROUP: lanesPerGroup(partial, partial.shape[1]),
    HAS_AFFINE: gamma ? 1 : 0,
    HAS_SCALE: scale ? 1 : 0,
    JOINT: joint ? 1 : 0,
  }),
});

const gradX = kernel<Plan>({
  wgsl: wgslX,
  params: ({ x, x2 }) => pixelRuns(x, x2, WRITES),
  shapes: ({ x, x2 }) => ({ dx: x.shape, dx2: x2?.shape ?? [4] }),
  grid: ({ x, x2 }, _, wg) => grid1d(pixelRuns(x, x2, WRITES).n, wg),
  lanes: ({ x, x2 }) => extents(x, x2).lanes,
  overrides: ({ x2 }, { silu }) => ({ HAS_X2: x2 ? 1 : 0, SILU: silu ? 1 : 0 }),
});

const gradGamma = kernel<object>({
  wgsl: wgslGamma,
  params: ({ means, scale }) => ({ N: means.shape[0], C: means.shape[2], stride: strideOf(scale) }),
  shapes: ({ means }) => ({ dgamma: [means.shape[2]], dbeta: [means.shape[2]] }),
  grid: ({ means }, _, wg) => grid1d(means.shape[2], wg),
  overrides: ({ scale }) => ({ HAS_SCALE: scale ? 1 : 0 }),
});

/** Cotangents of x, gamma, beta, x2, scale, shift: at most four dispatches, two readings of x and dy. */
export function groupNormVjp(dy: Tensor, saved: Tensor[], plan: Plan, needs: readonly boolean[]): Maybe[] {
  const [x, gamma, beta, x2, scale, forward] = saved as [Tensor, Maybe, Maybe, Maybe, Maybe, Tensor];
  const { partial } = sums({ x, x2, dy, table: forward }, plan);
  const { HW } = extents(x, x2);
  const { means, dscale, dshift } = table({ partial, gamma, beta, scale }, { ...plan, HW });
  const ofX = needs[0] || needs[3] ? gradX({ x, x2, dy, table: forward, means }, plan) : {};
  const ofGamma = needs[1] || needs[2] ? gradGamma({ means, scale }, {}) : {};
  return [ofX.dx, ofGamma.dgamma, ofGamma.dbeta, ofX.dx2, dscale, dshift];
}
