import { test } from "vitest";
import { nearestUp as reference } from "../../kernels/nearest_up.reference.ts";
import { nearestUp } from "../../kernels/nearest_up.ts";
import { withGpu } from "../lib/gpu.ts";
import { checkLinear } from "../lib/linear.ts";

withGpu();

test.each([
  [[2, 2, 3, 4], 2, "f32"],
  [[2, 3, 1, 3], 2, "f32"],
  [[1, 1, 1, 5], 3, "f32"],
  [[1, 3, 2, 8], 1, "f32"],
  [[2, 2, 3, 4], 2, "f16"],
  [[1, 3, 3, 1], 5, "f16"],
  [[1, 2, 3, 2], 2, "c64"],
] as const)("nearest neighbour of %j by %i in %s, its adjoint and the adjoint of that", async (shape, r, dtype) => {
  const to = [shape[0], shape[1] * r, shape[2] * r, shape[3]];
  await checkLinear({ op: (x) => nearestUp(x, r), reference: (x, s) => reference(x, s, r), shape, dtype, to });
});

test("more than 65,535 workgroups", async () => {
  await checkLinear({
    op: (x) => nearestUp(x),
    reference: (x, s) => reference(x, s, 2),
    shape: [1, 1025, 1027, 1],
    adjoint: false,
  });
});
