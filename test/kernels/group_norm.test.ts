import { expect, test } from "vitest";
import * as reference from "../../kernels/group_norm.reference.ts";
import { groupNorm } from "../../kernels/group_norm.ts";
import { sumSquares } from "../../kernels/reduce.ts";
import { valueAndGrad, vjp } from "../../src/autograd/vjp.ts";
import { halvesFrom, halvesTo } from "../../src/tensor/half.ts";
import type { Shape } from "../../src/tensor/shape.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals, uniforms } from "../lib/random.ts";

const fixture = withGpu();
type DType = "f32" | "f16";
const rounded = (x: ArrayLike<number>, dtype: DType) =>
  dtype === "f16" ? Float64Array.from(halvesTo(halvesFrom(x))) : asF32(x);

interface Case {
  shape: Shape;
  groups: number;
  dtype?: DType;
  silu?: boolean;
  affine?: boolean;
  /** two: scale and shift; one: scaleShift */
  scale?: "two" | "one";
  /** channels that come as x2 */
  second?: number;
  composed?: boolean;
}

/** The op and its reference on the same numbers, with every gradient. */
async function compare({
  shape,
  groups,
  dtype = "f32",
  silu = false,
  affine = true,
  scale,
  second = 0,
  composed = false,
}: Case) {
  const [N, C] = [shape[0] as number, shape.at(-1) as number];
  const size = shape.reduce((a, b) => a * b, 1);
  const HW = size / (N * C);
  const x = rounded(
    normals(size, 1).map((v, i) => 1.5 * v + (i % 7) - 2),
    dtype,
  );
  const dy = rounded(normals(size, 2), dtype);
  const gamma = affine ? asF32(uniforms(C, 3, 0.5, 1.5)) : undefined;
  const beta = affine ? asF32(normals(C, 4)) : undefined;
  const both = rounded(normals(2 * N * C, 5), dtype);
  const half = (k: number) =>
    Float64Array.from({ length: N * C }, (_, i) => both[Math.floor(i / C) * 2 * C + (i % C) + k * C] as number);
  const of = { N, HW, C, groups, eps: 1e-5, silu, gamma, beta, ...(scale ? { scale: half(0), shift: half(1) } : {}) };
  const CA = C - second;
  const part = (a: ArrayLike<number>, from: number, to: number) =>
    Float64Array.from(
      { length: (size / C) * (to - from) },
      (_, i) => a[Math.floor(i / (to - from)) * C + from + (i % (to - from))] as number,
    );
  const lead = shape.slice(0, -1);

  const got = await evaluate(() => {
    const params: Record<string, Tensor> = { x: tensor([...lead, CA], part(x, 0, CA), dtype) };
    if (second) params.x2 = tensor([...lead, second], part(x, CA, C), dtype);
    if (gamma && beta) Object.assign(params, { gamma: tensor([C], gamma), beta: tensor([C], beta) });
    if (scale === "one") params.scaleShift = tensor([N, 2 * C], both, dtype);
    if (scale === "two")
      Object.assign(params, { scale: tensor([N, C], half(0), dtype), shift: tensor([N, C], half(1), dtype) });
    const f = ({ x, gamma, beta, ...rest }: Record<string, Tensor>) =>
      groupNorm(x as Tensor, gamma, beta, { groups, silu, composed, ...rest });
    const { value, pullback } = vjp(f, params);
    const [grads] = pullback(tensor(shape, dy, dtype));
    return { value, grads };
  });
  const want = reference.groupNormVjp(x, dy, of);
  const tight = dtype === "f16" ? { l2: 2e-3 } : { l2: 1e-5 };
  expectClose(got.value, reference.groupNorm(x, of), dtype === "f16" ? tight : { l2: silu ? 3e-6 : 2e-6 });
  const { grads } = got;
  expectClose(grads.x, part(want.dx, 0, CA), tight);
  if (second) expectClose(grads.x2, part(want.dx, CA, C), tight);
  if (affine) {
    expectClose(grads.gamma, want.dgamma, tight);
    expectClose(grads.beta, want.dbeta, tight);
  }
  if (scale === "one") {
    const joined = (k: number) =>
      Float64Array.from(
        { length: N * C },
        (_, i) => grads.scaleShift[Math.floor(i / C) * 2 * C + (i % C) + k * C] as number,
      );
    expectClose(joined(0), want.dscale, tight);
    expectClose(joined(1), want.dshift, tight);
  } else if (scale) {
    expectClose(grads.scale, want.dscale, tight);
    expectClose(grads.shift, want.dshift, tight);
  }
  return { x, dy, of, want };
}

test.each<Case>([
  { shape: [2, 5, 7, 12], groups: 3, silu: true, scale: "two" },
  { shape: [3, 4, 4, 192], groups: 32, silu: true, scale: "one" },
  { shape: [1, 1, 1, 8], groups: 2, silu: true },
  { shape: [2, 1, 1, 6], groups: 1, affine: false },
  { shape: [4, 9], groups: 3, affine: false },
  { shape: [2, 13, 11, 7], groups: 7, affine: false },
  { shape: [2, 3, 5, 384], groups: 32, second: 128, silu: true, scale: "one" },
  { shape: [2, 6, 5, 30], groups: 5, second: 13, affine: false },
  { shape: [1, 128, 128, 32], groups: 8, silu: true },
  { shape: [1, 65, 129, 20], groups: 5, silu: true, scale: "two" },
])("forward and every gradient: %j", async (c) => {
  await compare(c);
});

test("the schedule of a GPU: many invocations to a group", async () => {
  const gpu = fixture.gpu as { software: boolean };
  const { software } = gpu;
  gpu.software = false;
  await compare({ shape: [2, 33, 35, 24], groups: 3, silu: true, scale: "one" }).finally(() => {
    gpu.software = software;
  });
});

test.each<Case>([
  { shape: [2, 6, 7, 12], groups: 3, silu: true, scale: "one" },
  { shape: [1, 3, 3, 5], groups: 1, affine: false },
])("halves: %j", async (c) => {
  await compare({ ...c, dtype: "f16" });
});

test.each<Case>([
  { shape: [2, 3, 5, 24], groups: 4, second: 8, silu: true, scale: "one" },
  { shape: [2, 3, 5, 6], groups: 3, scale: "two" },
])("written in ops: %j", async (c) => {
  await compare({ ...c, composed: true });
});

test("a gradient penalty: the slope of |dy/dx|^2, of the form written in ops", async () => {
  const of = { N: 2, HW: 6, C: 4, groups: 2, eps: 1e-5, silu: true };
  const [x, dy, d] = [1, 2, 3].map((seed) => asF32(normals(48, seed))) as [Float64Array, Float64Array, Float64Array];
  const shape = [2, 3, 2, 4];
  const f = (composed: boolean) => (x: Tensor) => {
    const { pullback } = vjp((x) => groupNorm(x, undefined, undefined, { groups: 2, silu: true, composed }), x);
    return sumSquares(pullback(tensor(shape, dy))[0]);
  };
  const got = await evaluate(() => valueAndGrad(f(true))(tensor(shape, x)).grad);
  const penalty = (h: number) => {
    const moved = x.map((v, i) => v + h * (d[i] as number));
    return reference.groupNormVjp(moved, dy, of).dx.reduce((s, g) => s + g * g, 0);
  };
  const slope = (penalty(1e-5) - penalty(-1e-5)) / 2e-5;
  expect(got.reduce((s, g, i) => s + g * (d[i] as number), 0) / slope).toBeCloseTo(1, 4);
  await evaluate(() => {
    expect(() => valueAndGrad(f(false))(tensor(shape, x))).toThrow("groupNorm: its gradient rule is a fused kernel");
    return [];
  });
});

test("the reference's gradient is the slope of the reference", async () => {
  const { x, dy, of, want } = await compare({ shape: [2, 3, 4, 12], groups: 3, silu: true, scale: "two" });
  const value = (at: ArrayLike<number>, with_: object) =>
    reference.groupNorm(at, { ...of, ...with_ }).reduce((s, y, i) => s + y * (dy[i] as number), 0);
  const along = (a: ArrayLike<number>, d: ArrayLike<number>, h: number) =>
    Float64Array.from(a, (v, i) => v + h * (d[i] as number));
  const h = 1e-5;
  const names = { dgamma: of.gamma, dbeta: of.beta, dscale: of.scale, dshift: of.shift };
  for (const direction of ["own", "random"]) {
    const pick = (g: Float64Array) => (direction === "own" ? g : normals(g.length, 9));
    const dot = (g: Float64Array, d: ArrayLike<number>) => g.reduce((s, v, i) => s + v * (d[i] as number), 0);
    const d = pick(want.dx);
    const slope = (value(along(x, d, h), {}) - value(along(x, d, -h), {})) / (2 * h);
    expect(slope / dot(want.dx, d)).toBeCloseTo(1, 4);
    for (const [name, a] of Object.entries(names)) {
      const g = want[name as keyof typeof want];
      const d = pick(g);
      const key = name.slice(1);
      const slope =
        (value(x, { [key]: along(a as Float64Array, d, h) }) - value(x, { [key]: along(a as Float64Array, d, -h) })) /
        (2 * h);
      expect(slope / dot(g, d), name).toBeCloseTo(1, 4);
    }
  }
});

test("a large constant with a little noise, over 10^6 elements", async () => {
  const shape = [1, 512, 512, 4];
  const size = 512 * 512 * 4;
  const x = asF32(normals(size, 8).map((v) => 100 + 1e-3 * v));
  const { y } = await evaluate(() => ({
    y: groupNorm(tensor(shape, x), undefined, undefined, { groups: 1, eps: 1e-6 }),
  }));
  expectClose(y, reference.groupNorm(x, { N: 1, HW: 512 * 512, C: 4, groups: 1, eps: 1e-6 }), { l2: 1e-5 });
});

test("more than 65,535 workgroups", async () => {
  const N = 2_200_000;
  const x = asF32(normals(4096, 6));
  const full = Float64Array.from({ length: 2 * N }, (_, i) => x[i % 4093] as number);
  const { y } = await evaluate(() => ({ y: groupNorm(tensor([N, 2], full), undefined, undefined, { groups: 1 }) }));
  expectClose(y, reference.groupNorm(full, { N, HW: 1, C: 2, groups: 1 }), { l2: 2e-6 });
});

test("three dispatches forward, four back", async () => {
  const { recording } = fixture.gpu;
  await evaluate(() => {
    const [x, gamma, beta] = [tensor([2, 4, 4, 8], normals(256)), tensor([8], normals(8)), tensor([8], normals(8))];
    const before = recording.dispatches;
    const { pullback, value } = vjp(
      (x, gamma, beta) => groupNorm(x, gamma, beta, { groups: 2, silu: true }),
      x,
      gamma,
      beta,
    );
    expect(recording.dispatches - before).toBe(3);
    pullback(value);
    expect(recording.dispatches - before).toBe(7);
    return [];
  });
});

test("refuses what does not fit, by name and numbers", async () => {
  await evaluate(() => {
    const x = tensor([1, 2, 6], normals(12));
    expect(() => groupNorm(x, undefined, undefined, { groups: 4 })).toThrow(
      "groupNorm: 6 channels do not divide into 4 groups",
    );
    expect(() => groupNorm(x, tensor([5], normals(5)), tensor([5], normals(5)), { groups: 2 })).toThrow(
      "gamma expects [6], got [5]",
    );
    expect(() => groupNorm(x, undefined, undefined, { groups: 2, scaleShift: x })).toThrow(
      "scaleShift expects [1,12], got [1,2,6]",
    );
    return [];
  });
});
