// Peak signal-to-noise ratio, in float64 on the host.
//   PSNR = 10 log10(range^2 / mean((x - truth)^2))
// Papers differ in two things, which are options here: the range, and whether pictures are clamped first.
//   range 2, clamped       DAPS, MUPET, CM4IR: pictures of [0, 1] or [-1, 1] cut to it
//   range 2                DPS, DDRM, DiffPIR
//   range "reference"      DDiff (scikit-image): max - min of the truth, lower by up to some dB for pale pictures
//   range "peak"           fastMRI: the truth's largest number, of magnitudes

/** Peak-to-peak of the values, or how the truth tells it. */
export type Range = number | "reference" | "peak";

/** The number that a range stands for. */
export function rangeOf(range: Range, truth: ArrayLike<number>): number {
  if (typeof range === "number") return range;
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < truth.length; i++) {
    low = Math.min(low, truth[i]);
    high = Math.max(high, truth[i]);
  }
  const found = range === "peak" ? high : high - low;
  if (!(found > 0)) throw new RangeError(`range "${range}" expects a truth that is not flat or black, got ${found}`);
  return found;
}

/** Mean squared error. */
export function mse(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length || a.length === 0)
    throw new RangeError(`mse: expects two pictures of one size, got ${a.length} and ${b.length} numbers`);
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) ** 2;
  return sum / a.length;
}

interface PsnrOptions {
  range?: Range;
  /** Both are held in these bounds first. */
  clamp?: readonly [low: number, high: number];
}

/** PSNR in dB; `range` is the peak-to-peak of the values, 2 for pictures in [-1, 1]. Infinity when equal. */
export function psnr(x: ArrayLike<number>, truth: ArrayLike<number>, { range = 2, clamp }: PsnrOptions = {}): number {
  const held = (v: ArrayLike<number>) =>
    clamp ? Float64Array.from(v, (n) => Math.max(clamp[0], Math.min(clamp[1], n))) : v;
  return 10 * Math.log10(rangeOf(range, truth) ** 2 / mse(held(x), held(truth)));
}

/** PSNR as of two 8-bit files: both in [-1, 1], clamped and rounded to bytes, peak 255. No border is cropped. */
export function psnr8(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length || a.length === 0)
    throw new RangeError(`psnr8: expects two pictures of one size, got ${a.length} and ${b.length} numbers`);
  const byte = (v: number) => Math.max(0, Math.min(255, Math.round((v + 1) * 127.5)));
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (byte(a[i]) - byte(b[i])) ** 2;
  return 10 * Math.log10(255 ** 2 / (sum / a.length));
}
