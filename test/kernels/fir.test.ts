import { expect, test } from "vitest";
import { outer, upfirdn as reference } from "../../kernels/fir.reference.ts";
import { firBeforeConv, firDown, firUp, upfirdn } from "../../kernels/fir.ts";
import { vjp } from "../../src/autograd/vjp.ts";
import type { DType } from "../../src/tensor/shape.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { checkLinear } from "../lib/linear.ts";
import { uniforms } from "../lib/random.ts";

withGpu();

const k1331 = [1 / 8, 3 / 8, 3 / 8, 1 / 8];
const twice = k1331.map((v) => 2 * v);

test.each([
  [[2, 8, 6, 4], "f32"],
  [[1, 7, 5, 3], "f32"],
  [[1, 2, 3, 1], "f32"],
  [[2, 6, 4, 4], "f16"],
  [[1, 3, 5, 1], "f16"],
  [[1, 4, 3, 2], "c64"],
] as [number[], DType][])("halves and doubles %j in %s by 1331, with their adjoints", async (shape, dtype) => {
  await checkLinear({
    op: (x) => firDown(x),
    reference: (x, s) => reference(x, s, outer(k1331), 1, 2, [1, 1]),
    shape,
    dtype,
  });
  await checkLinear({
    op: (x) => firUp(x),
    reference: (x, s) => reference(x, s, outer(twice), 2, 1, [2, 1]),
    shape,
    dtype,
  });
  await checkLinear({
    op: (x) => firBeforeConv(x),
    reference: (x, s) => reference(x, s, outer(k1331), 1, 1, [2, 2]),
    shape,
    dtype,
  });
});

test.each([
  [1, 1, 1, [0, 0]],
  [2, 1, 2, [0, 0]],
  [3, 2, 1, [2, 1]],
  [5, 2, 3, [3, 4]],
  [5, 3, 2, [-1, 3]],
  [7, 4, 3, [6, 5]],
  [12, 1, 2, [5, 6]],
  [16, 3, 1, [9, 9]],
] as [number, number, number, [number, number]][])(
  "%i taps, up %i, down %i, pads %j, not symmetric",
  async (taps, up, down, pads) => {
    const k = [...uniforms(taps, taps)].map(Math.fround);
    const to = [1, ...[5, 6].map((n) => Math.floor((n * up + pads[0] + pads[1] - taps) / down) + 1), 4];
    await checkLinear({
      op: (x) => upfirdn(x, k, { up, down, pad: pads }),
      reference: (x, s) => reference(x, s, outer(k), up, down, pads),
      shape: [1, 5, 6, 4],
      to,
    });
  },
);

test.each([
  [3, 2, 1, [2, 1]],
  [4, 1, 2, [1, 1]],
  [5, 3, 2, [0, 4]],
] as [number, number, number, [number, number]][])(
  "a filter of %i^2 taps that is not separable",
  async (taps, up, down, pads) => {
    const k = [...uniforms(taps * taps, 7)].map(Math.fround);
    const rows = Array.from({ length: taps }, (_, i) => k.slice(i * taps, (i + 1) * taps));
    await checkLinear({
      op: (x) => upfirdn(x, tensor([taps, taps], k), { up, down, pad: pads }),
      reference: (x, s) => reference(x, s, rows, up, down, pads),
      shape: [2, 5, 4, 3],
    });
  },
);

test("more than 65,535 workgroups", async () => {
  const k = [0.25, -0.75];
  await checkLinear({
    op: (x) => upfirdn(x, k, { pad: [1, 0] }),
    reference: (x, s) => reference(x, s, outer(k), 1, 1, [1, 0]),
    shape: [1, 2050, 2047, 1],
    adjoint: false,
  });
});

test("refuses filters that do not fit", async () => {
  await evaluate(() => {
    const x = tensor([1, 2, 2, 1], [1, 2, 3, 4]);
    const k = tensor([2, 2], [1, 2, 3, 4]);
    expect(() => upfirdn(x, [1, 3, 3, 1])).toThrow("upfirdn: [2,2] with pads 0 and 0 is smaller than the 4 taps");
    expect(() => upfirdn(x, new Array(17).fill(1))).toThrow("1 to 16 of them, got 17; give a tensor [taps, taps]");
    expect(() => upfirdn(x, tensor([1, 2], [1, 2]))).toThrow("the filter must be square, [taps, taps], got [1,2]");
    const { value, pullback } = vjp((f: Tensor) => upfirdn(x, f), k);
    expect(() => pullback(value)).toThrow(
      "upfirdn: it has no gradient for the filter; use conv2d for one that is trained",
    );
    return [];
  });
});
