import { test } from "vitest";
import { conv2dVjpW as reference } from "../../kernels/conv2d_vjp_w.reference.ts";
import { conv2dVjpW } from "../../kernels/conv2d_vjp_w.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, uniforms } from "../lib/random.ts";

withGpu();

// positive numbers, so that sums grow with the count; the other shapes are in conv2d.test.ts
test.each([
  ["vectors", 4, 4],
  ["odd channels", 3, 1],
])("a million pixels, %s", async (_, C, O) => {
  const [H, W] = [1024, 1000];
  const [x, dy] = [asF32(uniforms(H * W * C, 1, 0, 1)), asF32(uniforms(H * W * O, 2, 0, 1))];
  const { dw } = await evaluate(() => ({
    dw: conv2dVjpW(tensor([1, H, W, C], x), tensor([1, H, W, O], dy), undefined, {
      window: { stride: [1, 1], padding: [0, 0, 0, 0], groups: 1 },
      ...{ scale: 1, at: 0, shape: [O, C, 1, 1], dtype: "f32" },
    }),
  }));
  expectClose(dw, reference({ x: [1, H, W, C], w: [O, C, 1, 1] }, x, dy), { l2: 1e-6 });
});
