import { expect, test } from "vitest";
import { pixelUnshuffle as reference } from "../../kernels/pixel_shuffle.reference.ts";
import { pixelShuffle, pixelUnshuffle } from "../../kernels/pixel_shuffle.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { checkLinear } from "../lib/linear.ts";

withGpu();

test.each([
  [[2, 4, 6, 3], 2, "f32"],
  [[1, 9, 3, 2], 3, "f32"],
  [[2, 1, 1, 4], 1, "f32"],
  [[2, 4, 6, 3], 2, "f16"],
  [[1, 3, 3, 1], 3, "f16"],
] as const)("unshuffles %j by %i in %s; its adjoint shuffles", async (shape, r, dtype) => {
  const to = [shape[0], shape[1] / r, shape[2] / r, shape[3] * r * r];
  await checkLinear({ op: (x) => pixelUnshuffle(x, r), reference: (x, s) => reference(x, s, r), shape, dtype, to });
});

test("shuffle is the way back", async () => {
  const data = Float32Array.from({ length: 2 * 6 * 4 * 5 }, (_, i) => i);
  const { back } = await evaluate(() => ({ back: pixelShuffle(pixelUnshuffle(tensor([2, 6, 4, 5], data), 2), 2) }));
  expect(back).toEqual(data);
});

test("refuses sizes that do not divide", async () => {
  await evaluate(() => {
    const x = tensor([1, 3, 2, 1], [1, 2, 3, 4, 5, 6]);
    expect(() => pixelUnshuffle(x, 2)).toThrow("pixelUnshuffle: [3,2] does not divide into 2 x 2 blocks");
    expect(() => pixelShuffle(x, 2)).toThrow("pixelShuffle: 1 channels do not divide into groups of 4");
    return [];
  });
});
