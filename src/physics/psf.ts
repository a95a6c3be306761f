import { dft2 } from "../../kernels/fft_host.ts";
import { ShapeError } from "../errors.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";

/** A point spread function as rows of numbers, or as one array that is square. Its centre is tap floor(k/2). */
export type Psf = readonly (readonly number[])[] | Float64Array;

/** A point spread function: named, with lengths in pixels and the sum 1, or given as it is, one for all channels or for each. */
export type BlurOptions =
  | { gaussian: number }
  | { anisotropic: { along: number; across: number; angle?: number } }
  | { uniform: number | readonly [number, number] }
  | { psf: Psf | { channels: readonly Psf[] } };

/** Rows of a PSF, whichever way it was given. */
export function psfRows(psf: Psf): readonly (readonly number[])[] {
  if (!(psf instanceof Float64Array)) {
    if (!psf.length || !psf[0]?.length || psf.some((row) => row.length !== psf[0]?.length))
      throw new ShapeError("psf: expected rows of one length");
    return psf;
  }
  const k = Math.sqrt(psf.length);
  if (!Number.isInteger(k) || k === 0) throw new ShapeError(`psf: ${psf.length} numbers are not a square; give rows`);
  return Array.from({ length: k }, (_, i) => [...psf.subarray(i * k, (i + 1) * k)]);
}

/** Divided by their sum. */
export const divided = (rows: number[][]): number[][] => {
  const sum = rows.flat().reduce((a, b) => a + b, 0);
  return rows.map((row) => row.map((v) => v / sum));
};

/** Taps f(y, x) at distances from the centre, in a square of the given size; 0 beyond the radius; their sum is 1. */
function sampled(size: number, radius: number, f: (y: number, x: number) => number): number[][] {
  const centre = Math.floor(size / 2);
  const axis = Array.from({ length: size }, (_, i) => i - centre);
  const near = (d: number) => Math.abs(d) <= radius;
  return divided(axis.map((y) => axis.map((x) => (near(y) && near(x) ? f(y, x) : 0))));
}

function positive(name: string, value: number): void {
  if (!(value > 0 && Number.isFinite(value))) throw new RangeError(`${name}: expected a number above 0, got ${value}`);
}

export interface GaussianOptions {
  /** Side of the square that holds the taps; by default just large enough. */
  size?: number;
  /** Taps farther from the centre than this many sigmas, along either axis, are 0. */
  truncate?: number;
}

/** exp(-r² / 2 sigma²), sigma in pixels, its sum 1; as scipy's gaussian_filter answers a point. */
export function gaussianPsf(sigma: number, { size, truncate = 4 }: GaussianOptions = {}): number[][] {
  positive("gaussianPsf", sigma);
  const radius = Math.floor(truncate * sigma + 0.5);
  return sampled(size ?? 2 * radius + 1, radius, (y, x) => Math.exp(-(y * y + x * x) / (2 * sigma * sigma)));
}

/** A Gaussian with sigma `along` and `across` a direction, `angle` radians from the x axis towards y (down). */
export function anisotropicPsf(
  { along, across, angle = 0 }: { along: number; across: number; angle?: number },
  { size, truncate = 4 }: GaussianOptions = {},
): number[][] {
  positive("anisotropicPsf", along);
  positive("anisotropicPsf", across);
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  const radius = Math.floor(truncate * Math.max(along, across) + 0.5);
  return sampled(size ?? 2 * radius + 1, radius, (y, x) =>
    Math.exp(-(((c * x + s * y) / along) ** 2 + ((c * y - s * x) / across) ** 2) / 2),
  );
}

/** The mean over a box of h x w pixels. */
export function uniformPsf(h: number, w = h): number[][] {
  if (![h, w].every((n) => Number.isInteger(n) && n > 0))
    throw new RangeError(`uniformPsf: ${h} x ${w} is not a box of pixels`);
  return Array.from({ length: h }, () => new Array(w).fill(1 / (h * w)));
}

/** The taps that options name. */
export function psfOf(options: BlurOptions): Psf | { channels: readonly Psf[] } {
  if ("gaussian" in options) return gaussianPsf(options.gaussian);
  if ("anisotropic" in options) return anisotropicPsf(options.anisotropic);
  if ("psf" in options) return options.psf;
  const { uniform } = options;
  return typeof uniform === "number" ? uniformPsf(uniform) : uniformPsf(...uniform);
}

/** The taps laid around a circle of h x w pixels, their centre at the origin; taps that meet are added. */
function around(psf: Psf, h: number, w: number): Float64Array {
  const rows = psfRows(psf);
  const [cy, cx] = [Math.floor(rows.length / 2), Math.floor((rows[0] as readonly number[]).length / 2)];
  const out = new Float64Array(2 * h * w);
  const wrap = (i: number, n: number) => ((i % n) + n) % n;
  rows.forEach((row, i) => {
    row.forEach((v, j) => {
      const at = 2 * (wrap(i - cy, h) * w + wrap(j - cx, w));
      out[at] = (out[at] as number) + v;
    });
  });
  return out;
}

/**
 * The optical transfer function of circular convolution with a PSF, h x w complex numbers, in float64. What is 0 but for
 * rounding is made 0, so that a solve with rho = 0 can tell a frequency that is lost from one that is faint.
 */
export function psf2otf(psf: Psf, h: number, w: number): Float64Array {
  const taps = around(psf, h, w);
  const least = 1e-13 * taps.reduce((sum, v) => sum + Math.abs(v), 0);
  const out = dft2(taps, h, w);
  for (let i = 0; i < out.length; i += 2)
    if (Math.hypot(out[i] as number, out[i + 1] as number) < least) out.fill(0, i, i + 2);
  return out;
}

/** The same as a tensor [1, h, w, 1]; of several PSFs, one to a channel, [1, h, w, C]. */
export function otf(psfs: Psf | { channels: readonly Psf[] }, h: number, w: number): Tensor {
  const list = "channels" in psfs ? psfs.channels : [psfs];
  return otfTensor(
    list.map((psf) => psf2otf(psf, h, w)),
    h,
    w,
  );
}

/** Transfer functions of h x w complex numbers, one to a channel, as one tensor. */
export function otfTensor(planes: readonly Float64Array[], h: number, w: number): Tensor {
  const C = planes.length;
  const data = new Float32Array(2 * h * w * C);
  planes.forEach((plane, c) => {
    for (let i = 0; i < h * w; i++) data.set(plane.subarray(2 * i, 2 * i + 2), 2 * (i * C + c));
  });
  return tensor([1, h, w, C], data, "c64");
}
