// Peak signal-to-noise ratio, in float64 on the host.
//   PSNR = 10 log10(range^2 / mean((a - b)^2))

/** Mean squared error. */
export function mse(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length || a.length === 0)
    throw new RangeError(`mse: expects two pictures of one size, got ${a.length} and ${b.length} numbers`);
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) ** 2;
  return sum / a.length;
}

/** PSNR in dB; `range` is the peak-to-peak of the values, 2 for pictures in [-1, 1]. Infinity when equal. */
export function psnr(a: ArrayLike<number>, b: ArrayLike<number>, { range = 2 } = {}): number {
  return 10 * Math.log10(range ** 2 / mse(a, b));
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
