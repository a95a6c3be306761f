import { expect, test } from "vitest";
import { resizeBilinear as reference } from "../../kernels/bilinear.reference.ts";
import { resizeBilinear } from "../../kernels/bilinear.ts";
import type { DType } from "../../src/tensor/shape.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { checkLinear } from "../lib/linear.ts";

withGpu();

test.each([
  [[2, 4, 6, 4], [8, 9], "f32"],
  [[1, 9, 7, 3], [4, 13], "f32"],
  [[1, 11, 13, 1], [3, 2], "f32"],
  [[1, 5, 6, 4], [5, 6], "f32"],
  [[2, 1, 3, 4], [3, 1], "f32"],
  [[1, 17, 12, 1], [1, 5], "f32"],
  [[1, 4, 5, 4], [7, 3], "f16"],
  [[1, 3, 5, 1], [6, 9], "f16"],
  [[1, 3, 4, 2], [5, 3], "c64"],
] as [number[], [number, number], DType][])(
  "%j to %j in %s, its adjoint and the adjoint of that",
  async (shape, to, dtype) => {
    await checkLinear({
      op: (x) => resizeBilinear(x, to),
      reference: (x, s) => reference(x, s, to),
      shape,
      dtype,
      to: [shape[0] as number, ...to, shape[3] as number],
    });
  },
);

test("to Inception's size", async () => {
  await checkLinear({
    op: (x) => resizeBilinear(x, [299, 299]),
    reference: (x, s) => reference(x, s, [299, 299]),
    shape: [1, 256, 401, 3],
    adjoint: false,
  });
});

test("refuses sizes that are none, or beyond its integers", async () => {
  await evaluate(() => {
    const x = tensor([1, 2, 2, 1], [1, 2, 3, 4]);
    expect(() => resizeBilinear(x, [0, 3])).toThrow("height and width must be a positive integer, got 0,3");
    expect(() => resizeBilinear(x, [2 ** 30, 1])).toThrow("is beyond 32 bits");
    expect(() => resizeBilinear(tensor([2, 2], [1, 2, 3, 4]), [1, 1])).toThrow("expected [N, H, W, C], got [2,2]");
    return [];
  });
});
