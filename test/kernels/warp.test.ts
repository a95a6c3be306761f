import { expect, test } from "vitest";
import { flip } from "../../kernels/roll.ts";
import { warp as reference } from "../../kernels/warp.reference.ts";
import { type Affine, warp } from "../../kernels/warp.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals } from "../lib/random.ts";

withGpu();
const turn = (angle: number, scale: number, x: number, y: number): Affine => {
  const [c, s] = [Math.cos(angle) / scale, Math.sin(angle) / scale];
  return [c, -s, x, s, c, y];
};

test.each([
  [[2, 7, 9, 3], [turn(0.4, 1.2, 0.7, -1.3), turn(-2, 0.8, 3.2, 0.1)], "f32"],
  [[1, 6, 6, 4], [turn(1, 0.5, 40.25, -33.5)], "f32"],
  [[2, 1, 5, 1], [turn(0, 1, 1.5, 0), turn(0.2, 1, 0, 0)], "f32"],
  [[1, 8, 5, 4], [turn(0.7, 1.1, 0.3, 0.6)], "f16"],
] as [[number, number, number, number], Affine[], "f32" | "f16"][])(
  "%j through %j in %s",
  async (shape, maps, dtype) => {
    const x = asF32(
      normals(
        shape.reduce((a, b) => a * b),
        3,
      ),
    );
    const got = await evaluate(() => warp(tensor(shape, x, dtype), maps));
    expectClose(got, reference(x, shape, maps), { l2: dtype === "f16" ? 1e-3 : 1e-5 });
  },
);

test("nothing, flips, quarter turns and whole shifts are exact", async () => {
  const shape = [1, 6, 6, 3] as const;
  const x = Float32Array.from(normals(108, 5));
  const out = await evaluate(() => {
    const t = tensor(shape, x);
    const through = (m: Affine) => warp(t, [m]);
    return {
      same: through([1, 0, 0, 0, 1, 0]),
      mirrored: through([-1, 0, 0, 0, 1, 0]),
      flipped: flip(t, [2]),
      turned: through([0, 1, 0, -1, 0, 0]),
      shifted: through([1, 0, 2, 0, 1, -1]),
    };
  });
  const at = (i: number, j: number, c: number) => x[(i * 6 + j) * 3 + c] as number;
  const each = (f: (i: number, j: number, c: number) => number) =>
    Float32Array.from({ length: 108 }, (_, k) => f(Math.floor(k / 18), Math.floor(k / 3) % 6, k % 3));
  expect(out.same).toEqual(x);
  expect(out.mirrored).toEqual(out.flipped);
  expect(out.turned).toEqual(each((i, j, c) => at(5 - j, i, c)));
  const fold = (k: number) => (k < 0 ? -k : k > 5 ? 10 - k : k);
  expect(out.shifted).toEqual(each((i, j, c) => at(fold(i - 1), fold(j + 2), c)));
});

test("a map for each picture is asked for", () => {
  const t = tensor([2, 2, 2, 1], new Float32Array(8));
  expect(() => warp(t, [[1, 0, 0, 0, 1, 0]])).toThrow("expected 2 maps of 6 finite numbers");
  t.dispose();
});
