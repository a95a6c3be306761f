import { expect, test } from "vitest";
import { cast } from "../../kernels/cast.ts";
import { vjp } from "../../src/autograd/vjp.ts";
import { fromHalf, toHalf } from "../../src/tensor/half.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals } from "../lib/random.ts";

withGpu();

test.each([[[1]], [[3, 5]], [[2, 8, 4]]])("to halves and back, shape %j: nearest, ties to even", async (shape) => {
  const n = shape.reduce((p, q) => p * q, 1);
  const x = asF32(normals(n, 1).map((v, i) => (i % 5 === 0 ? 1 + (2 * i + 1) * 2 ** -11 : 100 * v)));
  const out = await evaluate(() => {
    const h = cast(tensor(shape, x), "f16");
    return { h, f: cast(h, "f32") };
  });
  const want = [...x].map((v) => fromHalf(toHalf(v)));
  expect([...out.h]).toEqual(want);
  expect([...out.f]).toEqual(want);
});

test("gradients come back in the type of the input", async () => {
  await evaluate(() => {
    const x = tensor([3], [1, 2, 3]);
    const { value, pullback } = vjp((t) => cast(t, "f16"), x);
    expect(pullback(value)[0].dtype).toBe("f32");
    expect(cast(x, "f32")).toBe(x);
    expect(() => cast(x, "c64")).toThrow("cast: from f32 to c64 is not a cast");
    return [];
  });
});
