// Structural similarity [Wang 2004], the variants that papers use, by name; they are never to be mixed.
//   ssim = mean over windows of (2 ma mb + C1)(2 cab + C2) / ((ma^2 + mb^2 + C1)(va + vb + C2)),  Ck = (Kk range)^2
//   "gaussian"  11x11 window, sigma 1.5, population covariance, windows wholly inside (MATLAB, DPIR, pytorch_msssim)
//   "uniform7"  7x7 box, unbiased covariance, windows wholly inside (scikit-image's default, fastMRI)
// Colour is the mean of the channels' figures. K = 0.01, 0.03.

export type SsimVariant = "gaussian" | "uniform7";

interface SsimOptions {
  width: number;
  height: number;
  channels?: number;
  variant?: SsimVariant;
  /** Peak-to-peak of the values: 2 for [-1, 1], 255 for bytes. */
  range?: number;
}

function gaussianTaps(size: number, sigma: number): Float64Array {
  const taps = Float64Array.from({ length: size }, (_, i) => Math.exp(-((i - (size - 1) / 2) ** 2) / (2 * sigma ** 2)));
  const sum = taps.reduce((a, b) => a + b);
  return taps.map((t) => t / sum);
}

const windows = {
  gaussian: { taps: gaussianTaps(11, 1.5), unbias: 1 },
  uniform7: { taps: new Float64Array(7).fill(1 / 7), unbias: 49 / 48 },
};

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

function ssimPlane(
  a: Float64Array,
  b: Float64Array,
  { width, height, variant = "gaussian", range = 2 }: SsimOptions,
): number {
  const { taps, unbias } = windows[variant];
  const filtered = (f: (i: number) => number) =>
    valid(
      Float64Array.from(a, (_, i) => f(i)),
      width,
      height,
      taps,
    );
  const ma = filtered((i) => a[i]);
  const mb = filtered((i) => b[i]);
  const aa = filtered((i) => a[i] ** 2);
  const bb = filtered((i) => b[i] ** 2);
  const ab = filtered((i) => a[i] * b[i]);
  const [c1, c2] = [(0.01 * range) ** 2, (0.03 * range) ** 2];
  let sum = 0;
  for (let i = 0; i < ma.length; i++) {
    const [p, q] = [ma[i], mb[i]];
    const [va, vb, cab] = [unbias * (aa[i] - p * p), unbias * (bb[i] - q * q), unbias * (ab[i] - p * q)];
    sum += ((2 * p * q + c1) * (2 * cab + c2)) / ((p * p + q * q + c1) * (va + vb + c2));
  }
  return sum / ma.length;
}

/** SSIM of two pictures [H, W, C]. */
export function ssim(a: ArrayLike<number>, b: ArrayLike<number>, options: SsimOptions): number {
  const { width, height, channels = 1, variant = "gaussian" } = options;
  if (!Object.hasOwn(windows, variant))
    throw new RangeError(`ssim: variant expects "gaussian" or "uniform7", got "${variant}"`);
  const size = width * height * channels;
  if (a.length !== size || b.length !== size)
    throw new RangeError(
      `ssim: ${width}x${height}x${channels} expects ${size} numbers, got ${a.length} and ${b.length}`,
    );
  const k = windows[variant].taps.length;
  if (width < k || height < k)
    throw new RangeError(`ssim: "${variant}" needs at least ${k}x${k} pixels, got ${width}x${height}`);
  let sum = 0;
  for (let c = 0; c < channels; c++) {
    const plane = (x: ArrayLike<number>) =>
      Float64Array.from({ length: width * height }, (_, i) => x[i * channels + c]);
    sum += ssimPlane(plane(a), plane(b), options);
  }
  return sum / channels;
}
