import { expect, test } from "vitest";
import { pad as reference } from "../../kernels/pad.reference.ts";
import { crop, type PadMode, pad, unpad } from "../../kernels/pad.ts";
import type { DType } from "../../src/tensor/shape.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { checkLinear } from "../lib/linear.ts";
import { asF32, normals } from "../lib/random.ts";

withGpu();

type Border = [number, number, number, number];
const CASES: [number[], Border, DType][] = [
  [[2, 3, 4, 4], [1, 2, 3, 0], "f32"],
  [[2, 5, 3, 3], [4, 3, 2, 1], "f32"],
  [[1, 1, 1, 2], [1, 2, 0, 3], "f32"],
  [[1, 2, 3, 1], [7, 5, 6, 9], "f32"],
  [[1, 1, 5, 4], [0, 0, 0, 0], "f32"],
  [[2, 3, 4, 4], [1, 2, 3, 0], "f16"],
  [[1, 5, 3, 3], [4, 3, 2, 1], "f16"],
  [[1, 3, 4, 2], [1, 2, 3, 0], "c64"],
];
for (const mode of ["zero", "reflect", "replicate", "circular"] as PadMode[])
  test.each(CASES)(
    `pads %j by %j in %s, ${mode}; its adjoint and the adjoint of that`,
    async (shape, border, dtype) => {
      const [N, H, W, C] = shape as [number, number, number, number];
      const [t, b, l, r] = border;
      await checkLinear({
        op: (x) => pad(x, border, mode, 0.75),
        reference: (x, s) => reference(x, s, border, mode, 0.75),
        shape,
        dtype,
        to: [N, H + t + b, W + l + r, C],
      });
    },
  );

test.each([
  [[2, 5, 6, 4], [1, 2, 3, 4], "f32"],
  [[1, 5, 6, 3], [4, 0, 1, 6], "f16"],
  [[1, 3, 3, 1], [1, 1, 1, 1], "c64"],
] as [number[], Border, DType][])("crops %j to %j in %s", async (shape, box, dtype) => {
  const [, H, W] = shape as [number, number, number];
  const [top, left, h, w] = box;
  await checkLinear({
    op: (x) => crop(x, box),
    reference: (x, s) => reference(x, s, [-top, top + h - H, -left, left + w - W]),
    shape,
    dtype,
  });
});

test("more than 65,535 workgroups", async () => {
  const border: Border = [1, 1, 1, 1];
  await checkLinear({
    op: (x) => pad(x, border, "reflect"),
    reference: (x, s) => reference(x, s, border, "reflect"),
    shape: [1, 2050, 2047, 1],
    adjoint: false,
  });
});

test("refuses borders and boxes that make no sense", async () => {
  await evaluate(() => {
    const x = tensor([1, 2, 2, 1], [1, 2, 3, 4]);
    expect(() => pad(x, [0, -1, 0, 0])).toThrow("pad: expected 4 widths from 0 up, got [0,-1,0,0]; crop() takes away");
    expect(() => pad(x, [0, 1, 0, 0], "mirror" as PadMode)).toThrow(
      "pad: mode must be one of zero, reflect, replicate, circular, got mirror",
    );
    expect(() => crop(x, [1, 0, 2, 1])).toThrow("crop: rows 1 to 3 and columns 0 to 1 do not lie in [2,2]");
    return [];
  });
});

test("unpad is the adjoint of pad, and knows when nothing is left", async () => {
  const [x, y] = [asF32(normals(2 * 5 * 4 * 3, 1)), asF32(normals(2 * 10 * 7 * 3, 2))];
  const inner = (a: ArrayLike<number>, b: ArrayLike<number>) =>
    Array.from(a).reduce((s, v, i) => s + v * (b[i] as number), 0);
  for (const mode of ["zero", "reflect", "replicate", "circular"] as const) {
    const border = [2, 3, 1, 2] as const;
    const { forth, back } = await evaluate(() => ({
      forth: pad(tensor([2, 5, 4, 3], x), border, mode),
      back: unpad(tensor([2, 10, 7, 3], y), border, mode),
    }));
    expect(inner(forth, y)).toBeCloseTo(inner(x, back), 3);
  }
  await evaluate(() => {
    expect(() => unpad(tensor([1, 3, 3, 1], new Float32Array(9)), [2, 1, 0, 0])).toThrow(
      "unpad: a border of [2,1,0,0] leaves nothing of [1,3,3,1]",
    );
    return [];
  });
});
