import { expect, test } from "vitest";
import { concat as reference, slice as sliceReference } from "../../kernels/concat.reference.ts";
import { concat, concatBatch, slice, sliceBatch, sliceChannels, split, stack } from "../../kernels/concat.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { vjp } from "../../src/autograd/vjp.ts";
import type { DType } from "../../src/tensor/shape.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { checkLinear } from "../lib/linear.ts";
import { asF32, normals } from "../lib/random.ts";

withGpu();

const sizeOf = (s: readonly number[]) => s.reduce((a, b) => a * b, 1);
const halves = (n: number, seed: number) => asF32(normals(n, seed)).map((v) => Math.round(v * 64) / 64);

test.each([
  [[2, 3, 4], [4, 8], "f32"],
  [[2, 3, 4], [3, 1, 2], "f32"],
  [[1, 1, 1], [1, 2, 3, 4, 5, 6], "f32"],
  [[5, 1, 2], [4, 4, 8, 4, 12], "f32"],
  [[2, 3, 5], [4, 8], "f16"],
  [[1, 3, 3], [3, 2], "f16"],
  [[2, 2, 2], [2, 1], "c64"],
] as [number[], number[], DType][])(
  "concat of pixels %j with channels %j in %s, and its gradients",
  async (pixels, counts, dtype) => {
    const floats = dtype === "c64" ? 2 : 1;
    const shapes = counts.map((c) => [...pixels, c]);
    const data = shapes.map((s, k) => halves(sizeOf(s) * floats, k + 1));
    const want = reference(data, shapes, 3);
    const dy = halves(want.length, 9);
    const out = await evaluate(() => {
      const xs = shapes.map((s, k) => tensor(s, data[k] as Float64Array, dtype));
      const { value, pullback } = vjp((...t: Tensor[]) => concat(t), ...xs);
      return { value, grads: pullback(tensor(value.shape, dy, dtype)), parts: split(value, counts) };
    });
    expectClose(out.value, want, { l2: 0 });
    let start = 0;
    counts.forEach((count, k) => {
      expectClose(out.parts[k] as Float32Array, data[k] as Float64Array, { l2: 0 });
      const shape = [...pixels, counts.reduce((a, b) => a + b) * floats];
      expectClose(out.grads[k] as Float32Array, sliceReference(dy, shape, 3, start * floats, count * floats), {
        l2: 0,
      });
      start += count;
    });
  },
);

test.each([
  [[4, 3, 2, 3], 0, 1, 2, "f32"],
  [[2, 3, 2, 12], 3, 4, 8, "f32"],
  [[2, 3, 2, 12], 3, 6, 2, "f32"],
  [[2, 3, 5], 2, 1, 3, "f32"],
  [[7], 0, 2, 4, "f32"],
  [[4, 3, 1, 3], 0, 3, 1, "f16"],
  [[2, 3, 2, 12], 3, 4, 8, "f16"],
  [[2, 1, 3, 4], 3, 2, 2, "c64"],
  [[2, 1, 3, 4], 3, 1, 2, "c64"],
] as [number[], number, number, number, DType][])(
  "slice of %j along axis %i from %i, %i entries, in %s",
  async (shape, axis, start, count, dtype) => {
    const f = dtype === "c64" && axis === shape.length - 1 ? 2 : 1;
    await checkLinear({
      op: (x) => slice(x, axis, start, count),
      reference: (x, s) => sliceReference(x, s, axis, start * f, count * f),
      shape,
      dtype,
      to: shape.map((n, i) => (i === axis ? count : n)),
      l2: 0,
    });
  },
);

test("batches: joined, stacked, sliced", async () => {
  const [a, b] = [halves(3 * 5, 1), halves(2 * 5, 2)];
  const out = await evaluate(() => {
    const [x, y] = [tensor([3, 5], a), tensor([2, 5], b)];
    return {
      both: concatBatch([x, y]),
      stacked: stack([x, x]),
      one: concat([x]),
      tail: sliceBatch(x, 1, 2),
      right: sliceChannels(x, 3, 2),
    };
  });
  expect([...out.both]).toEqual([...a, ...b]);
  expect([...out.stacked]).toEqual([...a, ...a]);
  expect([...out.one]).toEqual([...a]);
  expect([...out.tail]).toEqual([...a.slice(5)]);
  expect([...out.right]).toEqual([0, 1, 2].flatMap((i) => [...a.slice(i * 5 + 3, i * 5 + 5)]));
});

test("a gradient through split and concat adds up", async () => {
  const x = halves(2 * 8, 1);
  const out = await evaluate(() => {
    const f = (t: Tensor) => {
      const [p, q] = split(t, [4, 4]) as [Tensor, Tensor];
      return concat([q, lincomb(2, p, 1, q)]);
    };
    const { pullback } = vjp(f, tensor([2, 8], x));
    return { dx: pullback(tensor([2, 8], x))[0] };
  });
  const want = [0, 1].flatMap((r) =>
    [...Array(8).keys()].map((i) =>
      i < 4 ? 2 * (x[r * 8 + 4 + i] as number) : (x[r * 8 + i - 4] as number) + (x[r * 8 + i] as number),
    ),
  );
  expectClose(out.dx as unknown as Float32Array, want, { l2: 1e-6 });
});

test("more than 65,535 workgroups", async () => {
  const [a, b] = [new Float32Array(3_000_001).fill(1), new Float32Array(2_000_000).fill(2)];
  const { y } = await evaluate(() => ({ y: concat([tensor([3_000_001], a), tensor([2_000_000], b)]) }));
  expect([y.length, y[3_000_000], y[3_000_001], y.at(-1), y.reduce((s, v) => s + v, 0)]).toEqual([
    5_000_001, 1, 2, 2, 7_000_001,
  ]);
});

test("refuses tensors that do not fit", async () => {
  await evaluate(() => {
    const [x, y] = [tensor([2, 3], [1, 2, 3, 4, 5, 6]), tensor([3, 2], [1, 2, 3, 4, 5, 6])];
    expect(() => concat([x, y])).toThrow(
      "concat: tensor 1 is f32 [3,2], the first f32 [2,3]; they may differ along axis 1 only",
    );
    expect(() => slice(x, 1, 2, 2)).toThrow("slice: 2 to 4 does not lie in axis 1 of [2,3]");
    expect(() => split(x, [1, 1])).toThrow("split: sizes 1 + 1 do not add up to axis 1 of [2,3]");
    return [];
  });
});
