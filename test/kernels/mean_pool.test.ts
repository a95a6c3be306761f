import { test } from "vitest";
import { type Case, pooledShape } from "../../kernels/max_pool.reference.ts";
import { meanPool as reference } from "../../kernels/mean_pool.reference.ts";
import { meanPool } from "../../kernels/mean_pool.ts";
import type { DType } from "../../src/tensor/shape.ts";
import { withGpu } from "../lib/gpu.ts";
import { checkLinear } from "../lib/linear.ts";

withGpu();

test.each([
  ["Inception's", [2, 5, 6, 4], { size: 3, stride: 1, padding: 1 }, "f32"],
  ["Inception's", [1, 4, 3, 3], { size: 3, stride: 1, padding: 1 }, "f16"],
  ["Inception's", [1, 3, 4, 2], { size: 3, stride: 1, padding: 1 }, "c64"],
  ["blocks", [1, 6, 7, 3], { size: 2 }, "f32"],
  ["an incomplete last window", [1, 7, 8, 4], { size: 3, stride: 2, ceil: true }, "f32"],
  ["strides beyond the window, padded", [1, 9, 8, 1], { size: 2, stride: 3, padding: 1 }, "f32"],
  ["one pixel", [2, 1, 1, 4], { size: 3, stride: 1, padding: 1 }, "f32"],
] as [string, number[], Case, DType][])(
  "%s %j %j in %s, its adjoint and the adjoint of that",
  async (_, shape, c, dtype) => {
    await checkLinear({
      op: (x) => meanPool(x, c),
      reference: (x, s) => reference(x, s, c),
      shape,
      dtype,
      to: pooledShape(shape, c),
    });
  },
);
