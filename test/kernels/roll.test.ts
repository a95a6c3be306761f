import { expect, test } from "vitest";
import { move as reference } from "../../kernels/roll.reference.ts";
import { flip, roll } from "../../kernels/roll.ts";
import type { DType } from "../../src/tensor/shape.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { checkLinear } from "../lib/linear.ts";

withGpu();

test.each([
  [[2, 3, 4, 4], [1, -2], "f32"],
  [[1, 5, 3, 3], [-7, 11], "f32"],
  [[1, 1, 1, 1], [4, -9], "f32"],
  [[2, 3, 5, 3], [0, 1], "f16"],
  [[1, 4, 3, 2], [3, 2], "c64"],
] as [number[], [number, number], DType][])(
  "rolls %j by %j in %s; its adjoint rolls back",
  async (shape, shift, dtype) => {
    await checkLinear({
      op: (x) => roll(x, shift),
      reference: (x, s) => reference(x, s, shift),
      shape,
      dtype,
      to: shape,
      l2: 0,
    });
  },
);

test.each([
  [[2, 3, 4, 4], [1], "f32"],
  [[2, 3, 4, 3], [2], "f32"],
  [[1, 5, 2, 1], [1, 2], "f32"],
  [[1, 1, 3, 5], [2, 1], "f16"],
  [[1, 4, 3, 2], [2], "c64"],
] as [number[], number[], DType][])("flips %j along %j in %s", async (shape, axes, dtype) => {
  const [si, sj] = [axes.includes(1) ? -1 : 1, axes.includes(2) ? -1 : 1];
  const shift = [si < 0 ? 1 : 0, sj < 0 ? 1 : 0];
  await checkLinear({
    op: (x) => flip(x, axes),
    reference: (x, s) => reference(x, s, shift, [si, sj]),
    shape,
    dtype,
    to: shape,
    l2: 0,
  });
});

test("more than 65,535 workgroups, and a long way round", async () => {
  const shift: [number, number] = [2 ** 40 + 1, -(2 ** 35) - 3];
  await checkLinear({
    op: (x) => roll(x, shift),
    reference: (x, s) => reference(x, s, shift),
    shape: [1, 2050, 2047, 1],
    adjoint: false,
    l2: 0,
  });
});

test("refuses shifts and axes that make no sense", async () => {
  await evaluate(() => {
    const x = tensor([1, 2, 2, 1], [1, 2, 3, 4]);
    expect(() => roll(x, [0.5, 1])).toThrow("roll: shifts must be integers, got [0.5,1]");
    expect(() => flip(x, [3])).toThrow("flip: axes are 1 (rows) and 2 (columns), got [3]");
    return [];
  });
});
