import { expect, test } from "vitest";
import { walshHadamard as reference } from "../../kernels/walsh_hadamard.reference.ts";
import { walshHadamard } from "../../kernels/walsh_hadamard.ts";
import { vjp } from "../../src/autograd/vjp.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals } from "../lib/random.ts";

withGpu();

const count = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
/** By the definition along an axis of a tensor, `wide` floats to a number. */
function along(x: Float64Array, shape: number[], axis: number, wide = 1): Float64Array {
  const [n, inner] = [shape[axis] as number, count(shape.slice(axis + 1)) * wide];
  const out = new Float64Array(x.length);
  for (let l = 0; l < x.length / (n * inner); l++)
    for (let b = 0; b < inner; b++) {
      const at = (j: number) => (l * n + j) * inner + b;
      reference(Array.from({ length: n }, (_, j) => x[at(j)] as number)).forEach((v, j) => {
        out[at(j)] = v;
      });
    }
  return out;
}

test.each([
  [[1], 0],
  [[3, 2], 1],
  [[2, 8, 3], 1],
  [[16, 5], 0],
  [[2, 32, 3], 1],
  [[1, 512, 2], 1],
] as [number[], number][])("%j along axis %i: the definition, and its gradient", async (shape, axis) => {
  const [x, r] = [1, 2].map((seed) => asF32(normals(count(shape), seed))) as [Float64Array, Float64Array];
  const { y, dx, twice } = await evaluate(() => {
    const { value, pullback } = vjp((t) => walshHadamard(t, { axis, norm: "none" }), tensor(shape, x));
    const ortho = walshHadamard(walshHadamard(tensor(shape, x), { axis }), { axis });
    return { y: value, dx: pullback(tensor(shape, r))[0], twice: ortho };
  });
  expectClose(y, along(x, shape, axis), { l2: 1e-6 });
  expectClose(dx, along(r, shape, axis), { l2: 1e-6 });
  expectClose(twice, x, { l2: 1e-6 });
});

test.each(["f16", "c64"] as const)("%s", async (dtype) => {
  const [shape, wide] = [[2, 16, 3], dtype === "c64" ? 2 : 1];
  const x = asF32(normals(96 * wide, 3)).map((v) => Math.round(v * 64) / 64);
  const { y } = await evaluate(() => ({ y: walshHadamard(tensor(shape, x, dtype), { axis: 1, norm: "none" }) }));
  expectClose(y, along(x, shape, 1, wide), { l2: dtype === "f16" ? 5e-4 : 1e-6 });
});

test("more than 65,535 workgroups", async () => {
  const n = 2 ** 23;
  const x = new Float32Array(n);
  x[5] = 1;
  const { y } = await evaluate(() => ({ y: walshHadamard(tensor([n / 2, 2], x), { norm: "none" }) }));
  expect([...y.subarray(2, 8)]).toEqual([0, 0, 1, -1, 0, 0]);
});

test("what is no power of two is named", async () => {
  await evaluate(() => {
    expect(() => walshHadamard(tensor([2, 6], new Float32Array(12)))).toThrow(
      "walshHadamard: a power of two expected along axis -1 of [2,6]; pad it with zeros",
    );
    return [];
  });
});
