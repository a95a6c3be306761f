import { expect, test } from "vitest";
import { put as putReference, take as reference } from "../../kernels/take.reference.ts";
import { put, selection, take } from "../../kernels/take.ts";
import { vjp } from "../../src/autograd/vjp.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals } from "../lib/random.ts";

withGpu();

const CASES: [number[], number[]][] = [
  [[1, 1], [0]],
  [
    [2, 5, 3],
    [4, 0, 2],
  ],
  [
    [3, 7, 2, 2],
    [6, 5, 4, 3, 2, 1, 0],
  ],
];
test.each(CASES)("rows of %j: %j, back among zeros, and gradients", async (shape, numbers) => {
  const size: [number, number, number] = [shape[0]!, shape[1]!, shape.slice(2).reduce((a, b) => a * b, 1)];
  const some = [shape[0]!, numbers.length, ...shape.slice(2)];
  const x = asF32(normals(size[0] * size[1] * size[2], 1));
  const r = asF32(normals(size[0] * numbers.length * size[2], 2));
  const { y, dx, back, dr } = await evaluate(() => {
    const chosen = selection(size[1], numbers);
    const forth = vjp((t) => take(t, chosen), tensor(shape, x));
    const home = vjp((t) => put(t, chosen), tensor(some, r));
    return {
      y: forth.value,
      dx: forth.pullback(tensor(some, r))[0],
      back: home.value,
      dr: home.pullback(tensor(shape, x))[0],
    };
  });
  for (const [got, want] of [
    [y, reference(x, size, numbers)],
    [dr, reference(x, size, numbers)],
    [dx, putReference(r, size, numbers)],
    [back, putReference(r, size, numbers)],
  ] as const)
    expectClose(got, want, { l2: 0 });
});

test.each(["f16", "c64"] as const)("%s", async (dtype) => {
  const wide = dtype === "c64" ? 2 : 1;
  const x = Float64Array.from({ length: 24 * wide }, (_, i) => i);
  const { y } = await evaluate(() => ({ y: take(tensor([2, 4, 3], x, dtype), selection(4, [3, 1])) }));
  expectClose(y, reference(x, [2, 4, 3 * wide], [3, 1]), { l2: 0 });
});

test("a row taken twice, one that is not there, the wrong table", async () => {
  await evaluate(() => {
    expect(() => selection(3, [1, 1])).toThrow("selection: expected different rows below 3, got 1 at 1");
    expect(() => selection(3, [3])).toThrow("got 3 at 0");
    const chosen = selection(3, [2]);
    expect(() => take(tensor([1, 2], [1, 2]), chosen)).toThrow("take: expected [N, 3, ...], got [1,2]");
    expect(() => put(tensor([1, 2], [1, 2]), chosen)).toThrow("put: expected [N, 1, ...], got [1,2]");
    return [];
  });
});
