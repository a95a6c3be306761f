import FFT from "fft.js";
import { expect, test } from "vitest";
import * as reference from "../../kernels/fft.reference.ts";
import { fft, fft2, fftshift, ifft2, ifftshift } from "../../kernels/fft.ts";
import { dft } from "../../kernels/fft_host.ts";
import { vjp } from "../../src/autograd/vjp.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals } from "../lib/random.ts";

withGpu();

const complexNormals = (count: number, seed: number) => asF32(normals(2 * count, seed));

test("the float64 transforms of fft.js, of the host and of the definition agree", () => {
  for (const n of [2, 16, 64, 256]) {
    const x = complexNormals(n, n);
    const theirs = new FFT(n).createComplexArray();
    new FFT(n).transform(theirs, x);
    expectClose(reference.fft(x, [n], 0), theirs, { l2: 1e-13 });
    expectClose(dft(x), theirs, { l2: 1e-14 });
  }
  for (const n of [1, 45, 97, 143])
    expectClose(dft(complexNormals(n, n)), reference.fft(complexNormals(n, n), [n], 0), { l2: 1e-13 });
});

const LENGTHS = [
  1, 2, 3, 4, 5, 7, 8, 12, 15, 16, 31, 37, 60, 64, 96, 97, 100, 128, 180, 230, 256, 320, 384, 481, 512, 768, 1000, 1009,
  1024,
];

test.each(LENGTHS)("transforms lines of %i, forth and back, beside and after each other", async (n) => {
  const [lines, inner] = n > 300 ? [2, 2] : [3, 5];
  const shape = [lines, n, inner];
  const x = complexNormals(lines * n * inner, n);
  const out = await evaluate(() => {
    const t = tensor(shape, x, "c64");
    return {
      there: fft(t, { axes: [1] }),
      back: fft(t, { axes: [1], inverse: true, norm: "ortho" }),
      rows: fft(tensor([lines * inner, n], x, "c64"), { axes: [-1], norm: "ortho" }),
    };
  });
  expectClose(out.there, reference.fft(x, shape, 1), { l2: 1e-6 });
  expectClose(out.back, reference.fft(x, shape, 1, true, n ** -0.5), { l2: 1e-6 });
  expectClose(out.rows, reference.fft(x, [lines * inner, n], 1, false, n ** -0.5), { l2: 1e-6 });
});

test.each([
  [1, 1, 1, 1],
  [2, 16, 12, 3],
  [1, 31, 20, 8],
  [4, 9, 256, 1],
])("transforms pictures [%i, %i, %i, %i], forth and back, in both norms", async (...shape) => {
  const [n, h, w, c] = shape;
  const x = complexNormals(n * h * w * c, h);
  const out = await evaluate(() => {
    const t = tensor(shape, x, "c64");
    const there = fft2(t);
    return {
      there,
      back: ifft2(there),
      ortho: fft2(t, { norm: "ortho" }),
      all: fft(t),
      inverse: ifft2(t, { norm: "ortho" }),
    };
  });
  expectClose(out.there, reference.fft2(x, shape), { l2: 1e-6 });
  expectClose(out.back, x, { l2: 1e-6 });
  expectClose(out.ortho, reference.fft2(x, shape, false, (h * w) ** -0.5), { l2: 1e-6 });
  expectClose(out.inverse, reference.fft2(x, shape, true, (h * w) ** -0.5), { l2: 1e-6 });
  expectClose(out.all, reference.fft(reference.fft(reference.fft2(x, shape), shape, 3), shape, 0), { l2: 1e-6 });
});

test("more than 65,535 workgroups", async () => {
  const lines = 65_536 * 64 + 5;
  const x = new Float32Array(2 * lines);
  for (let i = 0; i < x.length; i++) x[i] = i % 9973;
  const { y } = await evaluate(() => ({ y: fft(tensor([lines, 1], x, "c64"), { axes: [1] }) }));
  expect(y.findIndex((v, i) => v !== x[i])).toBe(-1);
});

test("its gradient is the adjoint, and so is that of the gradient", async () => {
  const shape = [2, 6, 11, 3];
  const [x, dy, v] = [1, 2, 3].map((seed) => complexNormals(2 * 6 * 11 * 3, seed)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  const scale = 66 ** -0.5;
  const out = await evaluate(() => {
    const t = tensor(shape, x, "c64");
    const { pullback } = vjp((p) => fft2(p, { norm: "ortho" }), t);
    const second = vjp((g) => vjp((p) => ifft2(p), t).pullback(g)[0], tensor(shape, dy, "c64"));
    return { first: pullback(tensor(shape, dy, "c64"))[0], second: second.pullback(tensor(shape, v, "c64"))[0] };
  });
  expectClose(out.first, reference.fft2(dy, shape, true, scale), { l2: 1e-6 });
  expectClose(out.second, reference.fft2(v, shape, true, 1 / 66), { l2: 1e-6 });
});

test("moves frequency 0 to the centre and back", async () => {
  const shape = [1, 3, 4, 1];
  const out = await evaluate(() => {
    const shifted = fftshift(
      tensor(
        shape,
        new Float64Array(12).map((_, i) => i),
      ),
    );
    return { shifted, back: ifftshift(shifted) };
  });
  expect([...out.shifted]).toEqual([10, 11, 8, 9, 2, 3, 0, 1, 6, 7, 4, 5]);
  expect([...out.back]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
});

test("refuses what it cannot transform, by name and numbers", async () => {
  await evaluate(() => {
    expect(() => fft(tensor([4], [1, 2, 3, 4]))).toThrow("fft: expected c64, got f32 [4]");
    expect(() => fft(tensor([2], [1, 2, 3, 4], "c64"), { axes: [1] })).toThrow(
      "fft: axes [1] are not distinct axes of [2]",
    );
    expect(() => fft2(tensor([2], [1, 2, 3, 4], "c64"))).toThrow("fft2: expected [N, H, W, C], got [2]");
    return [];
  });
});
