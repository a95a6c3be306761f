import { expect, test } from "vitest";
import type { Matrix } from "../../src/linalg/svd.ts";
import { multiplied, svd, transposed } from "../../src/linalg/svd.ts";
import { convolution, cubic, ddrmTaps, imresizeAxis, srconv } from "../../src/physics/axis.ts";
import { blur } from "../../src/physics/blur.ts";
import { gaussianPsf } from "../../src/physics/psf.ts";
import { publishedPsf } from "../../src/physics/psf_published.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals } from "../lib/random.ts";

withGpu();

const times = ({ rows, columns, data }: Matrix, x: ArrayLike<number>) =>
  Array.from({ length: rows }, (_, i) => {
    let s = 0;
    for (let j = 0; j < columns; j++) s += (data[i * columns + j] as number) * (x[j] as number);
    return s;
  });
const k = [1, 2, 4, 0.5];
const x = [3, -1, 2, 7, 5, 4];

test("a convolution at each border, by hand", () => {
  // y[i] = x[i + 2] + 2 x[i + 1] + 4 x[i] + x[i - 1]/2
  const y = (f: (i: number) => number, i: number) => f(i + 2) + 2 * f(i + 1) + 4 * f(i) + f(i - 1) / 2;
  const all = [0, 1, 2, 3, 4, 5];
  const zero = (i: number) => x[i] ?? 0;
  const mirror = (i: number) => x[i < 0 ? -i : i > 5 ? 10 - i : i] as number;
  expect(times(convolution(6, k, "zero"), x)).toEqual(all.map((i) => y(zero, i)));
  expect(times(convolution(6, k, "reflect"), x)).toEqual(all.map((i) => y(mirror, i)));
  expect(times(convolution(6, k, "circular"), x)).toEqual(all.map((i) => y((j) => x[(j + 6) % 6] as number, i)));
  expect(times(convolution(6, k, "valid"), x)).toEqual([1, 2, 3].map((i) => y(zero, i)));
});

test("the tap that DDRM loses", () => {
  const five = [1, 2, 3, 4, 5];
  expect(times(ddrmTaps(6, five), [0, 0, 1, 0, 0, 0])).toEqual([0, 4, 3, 2, 1, 0]);
  expect(times(convolution(6, five, "zero"), [0, 0, 1, 0, 0, 0])).toEqual([1, 2, 3, 4, 5, 0]);
});

test("smaller pictures keep constants and ramps, and halve as Keys' cubic at quarter steps", () => {
  for (const [n, r] of [
    [16, 2],
    [13, 3],
    [64, 4],
    [64, 16],
  ] as const) {
    const R = imresizeAxis(n, r);
    expect(R.rows).toBe(Math.ceil(n / r));
    expectClose(times(R, new Array(n).fill(1)), new Array(R.rows).fill(1), { l2: 1e-14 });
    const ramp = times(
      R,
      Array.from({ length: n }, (_, i) => i),
    );
    for (let j = 2; j < R.rows - 3; j++) expect(ramp[j]).toBeCloseTo(r * (j + 0.5) - 0.5, 1);
    expectClose(times(srconv(n, r), new Array(n).fill(1)), new Array(R.rows).fill(1), { l2: 1e-14 });
  }
  // at 1/2: taps cubic((q + 1/2)/2)/2, q = -4 .. 3, about the middle of a pair
  const taps = [-4, -3, -2, -1, 0, 1, 2, 3].map((q) => cubic((q + 0.5) / 2) / 2);
  const delta = (i: number) => Array.from({ length: 16 }, (_, j) => Number(i === j));
  const row = Array.from({ length: 16 }, (_, i) => times(imresizeAxis(16, 2), delta(i))[4] as number);
  expectClose(row, [0, 0, 0, 0, 0, ...taps, 0, 0, 0], { l2: 1e-14 });
  // DDRM's kernel is the same one at even factors, a place that MATLAB shares
  expectClose(
    Array.from({ length: 16 }, (_, i) => times(srconv(16, 2), delta(i))[4] as number),
    row,
    { l2: 1e-14 },
  );
});

test("an SVD in doubles: A = U S V^T, orthonormal, descending, in either form, without what is lost", () => {
  for (const [m, n] of [
    [9, 5],
    [5, 9],
    [12, 12],
  ] as const) {
    const A: Matrix = { rows: m, columns: n, data: normals(m * n, 4) };
    if (m === n) A.data.copyWithin(0, n, 2 * n); // two rows alike
    const { u, s, v } = svd(A);
    expect(s.length).toBe(m === n ? n - 1 : Math.min(m, n));
    const US = { ...u, data: u.data.map((e, i) => e * (s[i % s.length] as number)) };
    expectClose(multiplied(US, transposed(v)).data, A.data, { l2: 1e-12 });
    for (const basis of [u, v])
      expectClose(
        multiplied(transposed(basis), basis).data,
        Float64Array.from({ length: s.length ** 2 }, (_, i) => (i % (s.length + 1) ? 0 : 1)),
        { l2: 1e-10 },
      );
    s.forEach((value, i) => {
      if (i) expect(value).toBeLessThanOrEqual(s[i - 1] as number);
    });
  }
});

test.each(["reflect", "zero", "valid"] as const)(
  "%s: by matrices and by Fourier transforms alike",
  async (boundary) => {
    const psf = gaussianPsf(1.1).slice(1); // an even number of rows
    const shape = [2, 13, 16, 2];
    const { one, two } = await evaluate(() => {
      const t = tensor(shape, asF32(normals(2 * 13 * 16 * 2, 1)));
      return {
        one: blur(shape, { psf, boundary }).apply(t),
        two: blur(shape, { psf: { channels: [psf, psf] }, boundary }).apply(t),
      };
    });
    expectClose(one, two, { l2: 1e-6 });
  },
);

test("what the papers call by name", () => {
  const sum = (p: number[][]) => p.flat().reduce((a, b) => a + b, 0);
  const dps = publishedPsf.dps();
  expect([dps.length, dps.flat().filter((v) => v > 0).length]).toEqual([61, 625]);
  expect(publishedPsf.mupet(2).length).toBe(15);
  expect((publishedPsf.ud2m(10, 5)[2]?.[2] as number) / (publishedPsf.ud2m(10, 5)[2]?.[4] as number)).toBeCloseTo(
    Math.exp(4 / 20),
    12,
  );
  expect(
    (publishedPsf.ddrmAnisotropic()[4]?.[4] as number) / (publishedPsf.ddrmAnisotropic()[3]?.[4] as number),
  ).toBeCloseTo(Math.exp(0.5), 12);
  for (const p of [
    dps,
    publishedPsf.mupet(),
    publishedPsf.ud2m(),
    publishedPsf.ddrmGaussian(),
    publishedPsf.ddrmUniform(),
    publishedPsf.bicubic(4),
  ])
    expect(sum(p)).toBeCloseTo(1, 12);
});

test("what a border does not allow is named", () => {
  expect(() => blur([4, 8, 1], { uniform: 5, boundary: "valid" })).toThrow(
    "blur: a point spread function of 5x5 does not lie within [4, 8, 1]",
  );
  expect(() => blur([8, 8, 1], { uniform: 5, boundary: "reflect", ddrmTapBug: true })).toThrow('with boundary "zero"');
});
