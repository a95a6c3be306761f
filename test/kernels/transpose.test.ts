import { expect, test } from "vitest";
import { transpose as reference } from "../../kernels/transpose.reference.ts";
import { transpose } from "../../kernels/transpose.ts";
import { vjp } from "../../src/autograd/vjp.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals } from "../lib/random.ts";

withGpu();

const shapes: [number, number, number][] = [
  [1, 1, 1],
  [1, 5, 3],
  [3, 8, 12],
  [2, 7, 16],
  [1, 65, 33],
];
test.each(shapes)("swaps the last two axes of [%i, %i, %i], and its gradient swaps them back", async (B, M, N) => {
  const x = asF32(normals(B * M * N, 4));
  const out = await evaluate(() => {
    const { value, pullback } = vjp(transpose, tensor([B, M, N], x));
    return { y: value, dx: pullback(tensor([B, N, M], reference(x, [B, M, N])))[0] };
  });
  expect([...out.y]).toEqual([...reference(x, [B, M, N])]);
  expect([...out.dx]).toEqual([...x]);
});
