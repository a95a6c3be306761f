import { expect, test } from "vitest";
import { proxMask as reference } from "../../kernels/prox_mask.reference.ts";
import { proxMask } from "../../kernels/prox_mask.ts";
import { vjp } from "../../src/autograd/vjp.ts";
import type { DType } from "../../src/tensor/shape.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals, uniforms } from "../lib/random.ts";

withGpu();

/** A mask's numbers beside those of pictures [n, h, w, c], `wide` floats to a number. */
function spreadMask(mask: Float64Array, [m, , , d]: number[], [n, h, w, c]: number[], wide = 1): Float64Array {
  const size = h! * w! * c! * wide;
  return Float64Array.from({ length: n! * size }, (_, i) => {
    const pixel = Math.floor((i % size) / (c! * wide)) + (m! > 1 ? Math.floor(i / size) * h! * w! : 0);
    return mask[pixel * d! + (d! > 1 ? Math.floor((i % (c! * wide)) / wide) : 0)] as number;
  });
}
const binary = (count: number, seed: number) => uniforms(count, seed).map((v) => (v > 0 ? 1 : 0));

const CASES: [number[], number[]][] = [
  [
    [1, 1, 1, 1],
    [1, 1, 1, 1],
  ],
  [
    [1, 5, 7, 1],
    [2, 5, 7, 3],
  ],
  [
    [2, 4, 4, 1],
    [2, 4, 4, 5],
  ],
  [
    [1, 3, 2, 4],
    [3, 3, 2, 4],
  ],
  [
    [2, 9, 5, 3],
    [2, 9, 5, 3],
  ],
];

test.each(CASES)("a mask %j of pictures %j, weights too, for every rho", async (m, shape) => {
  const [mcount, count] = [m, shape].map((s) => s.reduce((a, b) => a * b, 1)) as [number, number];
  const [y, v] = [asF32(normals(count, 1)), asF32(normals(count, 2))];
  for (const mask of [binary(mcount, 3), asF32(normals(mcount, 4))])
    for (const rho of [0, 1e-30, 1e-3, 0.7, 40, 1e30, Number.POSITIVE_INFINITY]) {
      const { x } = await evaluate(() => ({
        x: proxMask({ mask: tensor(m, mask), y: tensor(shape, y), v: tensor(shape, v), rho }),
      }));
      expectClose(x, reference(spreadMask(mask, m, shape), y, v, rho), { l2: 2e-6 });
    }
});

test("keeps v where nothing is known, whatever y holds there, and y where rho is 0", async () => {
  const { x } = await evaluate(() => ({
    x: proxMask({
      mask: tensor([1, 1, 2, 1], [0, 1]),
      y: tensor([1, 1, 2, 1], [Number.NaN, 5]),
      v: tensor([1, 1, 2, 1], [0.1, 1e30]),
      rho: 0,
    }),
  }));
  expect([...x]).toEqual([Math.fround(0.1), 5]);
});

test.each(["f16", "c64"] as DType[])("%s", async (dtype) => {
  const [m, shape] = [
    [1, 4, 6, 1],
    [2, 4, 6, 3],
  ];
  const wide = dtype === "c64" ? 2 : 1;
  const [y, v] = [5, 6].map((seed) => asF32(normals(144 * wide, seed)).map((x) => Math.round(x * 64) / 64)) as [
    Float64Array,
    Float64Array,
  ];
  const mask = binary(24, 7);
  const { x } = await evaluate(() => ({
    x: proxMask({ mask: tensor(m, mask), y: tensor(shape, y, dtype), v: tensor(shape, v, dtype), rho: 0.3 }),
  }));
  expectClose(x, reference(spreadMask(mask, m, shape, wide), y, v, 0.3), { l2: dtype === "f16" ? 5e-4 : 1e-6 });
});

test("more than 65,535 workgroups", async () => {
  const shape = [1, 2048, 2049, 1];
  const count = 2048 * 2049;
  const v = Float64Array.from({ length: count }, (_, i) => i % 1000);
  const { x } = await evaluate(() => ({
    x: proxMask({
      mask: tensor(
        shape,
        v.map((i) => i % 2),
      ),
      y: tensor(
        shape,
        v.map((i) => -i),
      ),
      v: tensor(shape, v),
      rho: 1,
    }),
  }));
  expectClose(
    x,
    v.map((i) => (i % 2 ? 0 : i)),
    { l2: 1e-7 },
  );
});

test("its gradients, and those of the gradients", async () => {
  const [m, shape] = [
    [1, 3, 4, 1],
    [2, 3, 4, 3],
  ];
  const [y, v, g] = [1, 2, 3].map((seed) => asF32(normals(72, seed))) as [Float64Array, Float64Array, Float64Array];
  const mask = asF32(normals(12, 8)).map((x, i) => (i % 3 ? x : 0));
  const zero = new Float64Array(72);
  const out = await evaluate(() => {
    const [tm, ty, tv, tg] = [tensor(m, mask), tensor(shape, y), tensor(shape, v), tensor(shape, g)];
    const f = (a: Tensor, b: Tensor) => proxMask({ mask: tm, y: a, v: b, rho: 0.4 });
    const twice = vjp((h) => vjp((a) => f(a, tv), ty).pullback(h)[0], tg);
    return { first: vjp(f, ty, tv).pullback(tg), twice: twice.pullback(ty)[0] };
  });
  const wide = spreadMask(mask, m, shape);
  // the map is diagonal, so its adjoint is itself
  expectClose(out.first[0], reference(wide, g, zero, 0.4), { l2: 2e-6 });
  expectClose(out.first[1], reference(wide, zero, g, 0.4), { l2: 2e-6 });
  expectClose(out.twice, reference(wide, y, zero, 0.4), { l2: 2e-6 });
});

test("refuses what does not fit, by name and numbers", async () => {
  await evaluate(() => {
    const [x, mask] = [tensor([1, 1, 2, 1], [1, 2]), tensor([1, 2, 1, 1], [1, 1])];
    expect(() => proxMask({ mask, y: x, v: x, rho: 1 })).toThrow(
      "proxMask: expected an f32 mask [1 | N, H, W, 1 | C] for [1,1,2,1], got f32 [1,2,1,1]",
    );
    expect(() => proxMask({ mask: x, y: mask, v: x, rho: 1 })).toThrow("proxMask: y is f32 [1,2,1,1], v f32 [1,1,2,1]");
    expect(() => proxMask({ mask: x, y: x, v: x, rho: -1 })).toThrow("proxMask: rho must be 0 or more, got -1");
    return [];
  });
});
