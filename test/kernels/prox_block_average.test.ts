import { expect, test } from "vitest";
import { proxBlockAverage as reference } from "../../kernels/prox_block_average.reference.ts";
import { proxBlockAverage } from "../../kernels/prox_block_average.ts";
import { vjp } from "../../src/autograd/vjp.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals } from "../lib/random.ts";

withGpu();

const CASES = [
  [1, 1, 1, 1, 1],
  [1, 2, 2, 1, 2],
  [2, 6, 9, 2, 3],
  [1, 8, 4, 5, 4],
] as const;

test.each(CASES)("pictures [%i, %i, %i, %i], factor %i, every rho", async (n, h, w, c, k) => {
  const [shape, low] = [[n, h, w, c] as const, [n, h / k, w / k, c]];
  const [y, v] = [asF32(normals((n * h * w * c) / (k * k), 1)), asF32(normals(n * h * w * c, 2))];
  for (const rho of [0, 1e-4, 0.5, 30, Number.POSITIVE_INFINITY]) {
    const { x } = await evaluate(() => ({
      x: proxBlockAverage({ y: tensor(low, y), v: tensor(shape, v), rho, factor: k }),
    }));
    expectClose(x, reference(y, v, shape, k, rho), { l2: 2e-6 });
  }
});

test("f16", async () => {
  const [y, v] = [normals(8, 1), normals(32, 2)].map((x) => x.map((a) => Math.round(a * 64) / 64)) as [
    Float64Array,
    Float64Array,
  ];
  const { x } = await evaluate(() => ({
    x: proxBlockAverage({ y: tensor([1, 2, 2, 2], y, "f16"), v: tensor([1, 4, 4, 2], v, "f16"), rho: 0.1, factor: 2 }),
  }));
  expectClose(x, reference(y, v, [1, 4, 4, 2], 2, 0.1), { l2: 5e-4 });
});

test("more than 65,535 workgroups", async () => {
  const shape = [1, 2048, 2050, 1];
  const v = Float64Array.from({ length: 2048 * 2050 }, (_, i) => i % 999);
  const { x } = await evaluate(() => ({
    x: proxBlockAverage({
      y: tensor(
        shape,
        v.map((i) => i + 2),
      ),
      v: tensor(shape, v),
      rho: 1,
      factor: 1,
    }),
  }));
  expectClose(
    x,
    v.map((i) => i + 1),
    { l2: 1e-7 },
  );
});

test("its gradients, and those of the gradients", async () => {
  const [shape, low] = [[2, 4, 6, 3] as const, [2, 2, 3, 3]];
  const [y, v, g] = [asF32(normals(36, 1)), asF32(normals(144, 2)), asF32(normals(144, 3))];
  const out = await evaluate(() => {
    const [ty, tv, tg] = [tensor(low, y), tensor(shape, v), tensor(shape, g)];
    const f = (a: Tensor, b: Tensor) => proxBlockAverage({ y: a, v: b, rho: 0.4, factor: 2 });
    const twice = vjp((q) => vjp((a) => f(a, tv), ty).pullback(q)[0], tg);
    return { first: vjp(f, ty, tv).pullback(tg), twice: twice.pullback(ty)[0] };
  });
  const [noY, noV] = [new Float64Array(36), new Float64Array(144)];
  const inner = (a: Float64Array) => a.reduce((s, x, i) => s + x * (g[i] as number), 0);
  const unit = (n: number, i: number) => Float64Array.from({ length: n }, (_, j) => Number(i === j));
  expectClose(
    out.first[0],
    y.map((_, i) => inner(reference(unit(36, i), noV, shape, 2, 0.4))),
    { l2: 2e-6 },
  );
  expectClose(
    out.first[1],
    v.map((_, i) => inner(reference(noY, unit(144, i), shape, 2, 0.4))),
    { l2: 2e-6 },
  );
  expectClose(out.twice, reference(y, noV, shape, 2, 0.4), { l2: 2e-6 });
});

test("refuses what does not fit, by name and numbers", async () => {
  await evaluate(() => {
    const [y, v] = [tensor([1, 1, 1, 1], [1]), tensor([1, 3, 3, 1], normals(9, 1))];
    expect(() => proxBlockAverage({ y, v, rho: 1, factor: 2 })).toThrow(
      "expected y f32 [1,1.5,1.5,1] for v [1,3,3,1] and factor 2, got f32 [1,1,1,1]",
    );
    return [];
  });
});
