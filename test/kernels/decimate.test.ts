import { expect, test } from "vitest";
import { decimate as reference } from "../../kernels/decimate.reference.ts";
import { decimate, zeroInsert } from "../../kernels/decimate.ts";
import { nearestUp as insertReference } from "../../kernels/nearest_up.reference.ts";
import type { DType } from "../../src/tensor/shape.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { checkLinear } from "../lib/linear.ts";

withGpu();

test.each([
  [[2, 4, 6, 4], 2, "f32"],
  [[1, 7, 5, 3], 3, "f32"],
  [[2, 1, 1, 1], 4, "f32"],
  [[1, 3, 4, 2], 1, "f32"],
  [[2, 4, 6, 4], 2, "f16"],
  [[1, 5, 4, 3], 2, "c64"],
] as [number[], number, DType][])(
  "takes every pixel of %j by %i in %s; its adjoint puts zeros between",
  async (shape, s, dtype) => {
    const to = shape.map((n, i) => (i === 1 || i === 2 ? Math.ceil(n / s) : n));
    await checkLinear({
      op: (x) => decimate(x, s),
      reference: (x, size) => reference(x, size, s),
      shape,
      dtype,
      to,
      l2: 0,
    });
  },
);

test.each([
  [[2, 2, 3, 4], 2, "f32"],
  [[1, 3, 1, 3], 4, "f16"],
  [[1, 2, 2, 1], 3, "c64"],
] as [number[], number, DType][])("puts zeros between the pixels of %j by %i in %s", async (shape, s, dtype) => {
  await checkLinear({
    op: (x) => zeroInsert(x, s),
    reference: (x, size) => insertReference(x, size, s, true),
    shape,
    dtype,
    l2: 0,
  });
});

test("refuses a size that was not decimated to this", async () => {
  await evaluate(() => {
    const x = tensor([1, 2, 2, 1], [1, 2, 3, 4]);
    expect(() => zeroInsert(x, 2, [5, 4])).toThrow("zeroInsert: every 2-th pixel of [5,4] is not [2,2]");
    return [];
  });
});
