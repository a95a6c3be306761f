import { expect, test } from "vitest";
import { blockSum as reference } from "../../kernels/pool.reference.ts";
import { avgPool, avgPool2 } from "../../kernels/pool.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { checkLinear } from "../lib/linear.ts";

withGpu();

test.each([
  [[2, 4, 6, 4], 2, "f32"],
  [[2, 5, 7, 3], 2, "f32"],
  [[1, 1, 1, 5], 1, "f32"],
  [[3, 9, 8, 1], 4, "f32"],
  [[2, 4, 6, 4], 2, "f16"],
  [[1, 5, 3, 3], 3, "f16"],
  [[1, 4, 5, 2], 2, "c64"],
] as const)("block average of %j by %i in %s, its adjoint and the adjoint of that", async (shape, r, dtype) => {
  const to = [shape[0], Math.floor(shape[1] / r), Math.floor(shape[2] / r), shape[3]];
  await checkLinear({
    op: (x) => avgPool(x, r),
    reference: (x, s) => reference(x, s, r, 1 / (r * r)),
    shape,
    dtype,
    to,
  });
});

test("more than 65,535 workgroups", async () => {
  await checkLinear({
    op: (x) => avgPool(x, 1),
    reference: (x, s) => reference(x, s, 1, 1),
    shape: [1, 2050, 2047, 1],
    adjoint: false,
  });
});

test("refuses what is no image", async () => {
  await evaluate(() => {
    expect(() => avgPool2(tensor([2, 2], [1, 2, 3, 4]))).toThrow("expected [N, H, W, C], got [2,2]");
    expect(() => avgPool(tensor([1, 2, 2, 1], [1, 2, 3, 4]), 1.5)).toThrow(
      "the factor must be a positive integer, got 1.5",
    );
    return [];
  });
});
