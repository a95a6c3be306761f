import { expect, test } from "vitest";
import { fft2 } from "../../kernels/fft.reference.ts";
import { convolution } from "../../kernels/prox_fourier.reference.ts";
import { anisotropicPsf, gaussianPsf, psf2otf, uniformPsf } from "../../src/physics/psf.ts";
import { expectClose } from "../lib/close.ts";
import { normals } from "../lib/random.ts";

const total = (psf: number[][]) => psf.flat().reduce((a, b) => a + b, 0);

test("the OTF is the spectrum of the response at the origin, whatever the parities, larger PSFs wrapping", () => {
  for (const [kh, kw, h, w] of [
    [3, 3, 8, 8],
    [4, 5, 7, 6],
    [1, 2, 5, 4],
    [9, 8, 4, 5],
  ] as const) {
    const psf = Array.from({ length: kh }, (_, i) => [...normals(kw, i + 1)]);
    // column 0 of the matrix: the response to a point at the origin
    const response = convolution(psf, h, w).flatMap((row) => [row[0] as number, 0]);
    expectClose(psf2otf(psf, h, w), fft2(response, [1, h, w, 1]), { l2: 1e-13 });
  }
});

test("frequencies that a box loses are exactly 0", () => {
  const B = psf2otf(uniformPsf(1, 8), 1, 64);
  for (let k = 0; k < 64; k++) expect(B[2 * k] === 0 && B[2 * k + 1] === 0).toBe(k > 0 && k % 8 === 0);
});

test("an array stands for a square", () => {
  const flat = normals(9, 1);
  const rows = [0, 1, 2].map((i) => [...flat.subarray(3 * i, 3 * i + 3)]);
  expect([...psf2otf(flat, 5, 5)]).toEqual([...psf2otf(rows, 5, 5)]);
  expect(() => psf2otf(normals(8, 1), 5, 5)).toThrow("psf: 8 numbers are not a square; give rows");
});

test("a Gaussian of 61 x 61 with sigma 3 has the 25 x 25 taps of scipy's", () => {
  const psf = gaussianPsf(3, { size: 61 });
  expect(psf.flat().filter((v) => v > 0).length).toBe(625);
  expect(total(psf)).toBeCloseTo(1, 14);
  const small = gaussianPsf(3);
  expect([small.length, small[0]?.length]).toEqual([25, 25]);
  expect(psf[30]?.[30]).toBeCloseTo(small[12]?.[12] as number, 15);
  // scipy.ndimage.gaussian_filter(delta, 3)[centre]
  const axis = Array.from({ length: 25 }, (_, i) => Math.exp(-((i - 12) ** 2) / 18));
  const z = axis.reduce((a, b) => a + b, 0);
  expect(small[12]?.[14]).toBeCloseTo(((axis[12] as number) * (axis[14] as number)) / z / z, 15);
});

test("an anisotropic Gaussian is round when its sigmas agree, and turns", () => {
  expectClose(anisotropicPsf({ along: 2, across: 2, angle: 0.7 }).flat(), gaussianPsf(2).flat(), { l2: 1e-14 });
  const flat = anisotropicPsf({ along: 3, across: 1 });
  const upright = anisotropicPsf({ along: 3, across: 1, angle: Math.PI / 2 });
  expect(flat[12]?.[15]).toBeGreaterThan(flat[15]?.[12] as number);
  expect(upright[15]?.[12]).toBeCloseTo(flat[12]?.[15] as number, 14);
  // half way between x and y the ridge runs down to the right
  const turned = anisotropicPsf({ along: 3, across: 1, angle: Math.PI / 4 });
  expect(turned[14]?.[14]).toBeGreaterThan(turned[14]?.[10] as number);
});

test("a box, and what is no PSF", () => {
  expect(uniformPsf(2, 4)).toEqual([
    [0.125, 0.125, 0.125, 0.125],
    [0.125, 0.125, 0.125, 0.125],
  ]);
  expect(() => uniformPsf(0)).toThrow("uniformPsf: 0 x 0 is not a box of pixels");
  expect(() => gaussianPsf(-1)).toThrow("gaussianPsf: expected a number above 0, got -1");
  expect(() => psf2otf([[1, 2], [3]], 4, 4)).toThrow("psf: expected rows of one length");
});
