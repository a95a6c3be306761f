// Structural similarity [Wang 2004], the variants that papers use, by name; they are never to be mixed.
//   ssim = mean over windows of (2 ma mb + C1)(2 cab + C2) / ((ma^2 + mb^2 + C1)(va + vb + C2)),  Ck = (Kk range)^2
//   "gaussian"  11x11 window, sigma 1.5, population covariance, windows wholly inside (MATLAB, DPIR, pytorch_msssim, MONAI)
//   "reflect"   the same, one window for each pixel of a picture reflected at its border (torchmetrics, deepinv)
//   "piq"       "gaussian" of the means of f x f pixels, f = max(1, round(smaller side / 256)) (piq: MUPET, DAPS)
//   "uniform7"  7x7 box, unbiased covariance, windows wholly inside (scikit-image's default, fastMRI)
//   "uniform5"  5x5 (DDiff, there with range "reference")
// Colour is the mean of the channels' figures. K = 0.01, 0.03.
import { reflectIndex } from "../io/picture.ts";
import { type Range, rangeOf } from "./psnr.ts";

export type SsimVariant = "gaussian" | "reflect" | "piq" | "uniform7" | "uniform5";

interface SsimOptions {
  width: number;
  height: number;
  channels?: number;
  variant?: SsimVariant;
  /** Peak-to-peak of the values: 2 for [-1, 1], 255 for bytes; "reference": of the second picture, as it is. */
  range?: Range;
}

function gaussianTaps(size: number, sigma: number): Float64Array {
  const taps = Float64Array.from({ length: size }, (_, i) => Math.exp(-((i - (size - 1) / 2) ** 2) / (2 * sigma ** 2)));
  const sum = taps.reduce((a, b) => a + b);
  return taps.map((t) => t / sum);
}

const bell = { taps: gaussianTaps(11, 1.5), unbias: 1 };
const box = (side: number) => ({ taps: new Float64Array(side).fill(1 / side), unbias: side ** 2 / (side ** 2 - 1) });
const windows: Record<SsimVariant, { taps: Float64Array; unbias: number; reflect?: true; shrink?: true }> = {
  gaussian: bell,
  reflect: { ...bell, reflect: true },
  piq: { ...bell, shrink: true },
  uniform7: box(7),
  uniform5: box(5),
};

interface Plane {
  readonly w: number;
  readonly h: number;
  readonly data: Float64Array;
}

/** Separable filter, windows wholly inside: [h, w] to [h - k + 1, w - k + 1]. */
function valid(x: Float64Array, w: number, h: number, taps: Float64Array): Float64Array {
  const k = taps.length;
  const [ow, oh] = [w - k + 1, h - k + 1];
  const rows = new Float64Array(h * ow);
  for (let y = 0; y < h; y++)
    for (let i = 0; i < ow; i++) {
      let sum = 0;
      for (let j = 0; j < k; j++) sum += taps[j] * x[y * w + i + j];
      rows[y * ow + i] = sum;
    }
  const out = new Float64Array(oh * ow);
  for (let y = 0; y < oh; y++)
    for (let j = 0; j < k; j++) {
      const t = taps[j];
      for (let i = 0; i < ow; i++) out[y * ow + i] += t * rows[(y + j) * ow + i];
    }
  return out;
}

/** Extended by its reflection about the border's pixels. */
function reflected({ w, h, data }: Plane, by: number): Plane {
  const [width, height] = [w + 2 * by, h + 2 * by];
  const at = (i: number) =>
    data[reflectIndex(Math.floor(i / width) - by, h) * w + reflectIndex((i % width) - by, w)] as number;
  return { w: width, h: height, data: Float64Array.from({ length: width * height }, (_, i) => at(i)) };
}

/** Means of f x f pixels; what fills no block is left off. */
function shrunk({ w, h, data }: Plane, f: number): Plane {
  const [width, height] = [Math.floor(w / f), Math.floor(h / f)];
  const out = new Float64Array(width * height);
  for (let y = 0; y < height * f; y++)
    for (let x = 0; x < width * f; x++)
      out[Math.floor(y / f) * width + Math.floor(x / f)] += (data[y * w + x] as number) / f ** 2;
  return { w: width, h: height, data: out };
}

/** Python's: halves go to the even neighbour. */
const roundEven = (x: number): number => (x % 1 === 0.5 ? 2 * Math.round(x / 2) : Math.round(x));

function ssimPlane(a: Plane, b: Plane, variant: SsimVariant, range: number): number {
  const { taps, unbias } = windows[variant];
  const filtered = (f: (i: number) => number) =>
    valid(
      Float64Array.from(a.data, (_, i) => f(i)),
      a.w,
      a.h,
      taps,
    );
  const ma = filtered((i) => a.data[i]);
  const mb = filtered((i) => b.data[i]);
  const aa = filtered((i) => a.data[i] ** 2);
  const bb = filtered((i) => b.data[i] ** 2);
  const ab = filtered((i) => a.data[i] * b.data[i]);
  const [c1, c2] = [(0.01 * range) ** 2, (0.03 * range) ** 2];
  let sum = 0;
  for (let i = 0; i < ma.length; i++) {
    const [p, q] = [ma[i], mb[i]];
    const [va, vb, cab] = [unbias * (aa[i] - p * p), unbias * (bb[i] - q * q), unbias * (ab[i] - p * q)];
    sum += ((2 * p * q + c1) * (2 * cab + c2)) / ((p * p + q * q + c1) * (va + vb + c2));
  }
  return sum / ma.length;
}

/** SSIM of two pictures [H, W, C]; the second is the truth. */
export function ssim(a: ArrayLike<number>, b: ArrayLike<number>, options: SsimOptions): number {
  const { width, height, channels = 1, variant = "gaussian", range = 2 } = options;
  if (!Object.hasOwn(windows, variant))
    throw new RangeError(`ssim: variant expects ${Object.keys(windows).join(", ")}, got "${variant}"`);
  const size = width * height * channels;
  if (a.length !== size || b.length !== size)
    throw new RangeError(
      `ssim: ${width}x${height}x${channels} expects ${size} numbers, got ${a.length} and ${b.length}`,
    );
  const { taps, reflect, shrink } = windows[variant];
  const k = reflect ? (taps.length + 1) / 2 : taps.length;
  if (width < k || height < k)
    throw new RangeError(`ssim: "${variant}" needs at least ${k}x${k} pixels, got ${width}x${height}`);
  const f = shrink ? Math.max(1, roundEven(Math.min(width, height) / 256)) : 1;
  const plane = (x: ArrayLike<number>, c: number): Plane => {
    const data = Float64Array.from({ length: width * height }, (_, i) => x[i * channels + c]);
    const whole = { w: width, h: height, data };
    return reflect ? reflected(whole, (taps.length - 1) / 2) : f > 1 ? shrunk(whole, f) : whole;
  };
  const span = rangeOf(range, b);
  let sum = 0;
  for (let c = 0; c < channels; c++) sum += ssimPlane(plane(a, c), plane(b, c), variant, span);
  return sum / channels;
}
