// Normalised root mean squared error, for real numbers and interleaved complex ones alike.
//   "norm"   |x - truth| / |truth|             (scikit-image's "euclidean"; its square is fastMRI's NMSE)
//   "range"  rms(x - truth) / (max truth - min truth)
//   "mean"   rms(x - truth) / mean truth

export function nrmse(
  x: ArrayLike<number>,
  truth: ArrayLike<number>,
  { by = "norm" as "norm" | "range" | "mean" } = {},
): number {
  const n = truth.length;
  if (x.length !== n || n === 0)
    throw new RangeError(`nrmse: expects two arrays of one size, got ${x.length} and ${n} numbers`);
  let error = 0;
  let power = 0;
  let sum = 0;
  let low = Infinity;
  let high = -Infinity;
  for (let i = 0; i < n; i++) {
    const t = truth[i];
    error += (x[i] - t) ** 2;
    power += t * t;
    sum += t;
    low = Math.min(low, t);
    high = Math.max(high, t);
  }
  const unit = { norm: Math.sqrt(power / n), range: high - low, mean: sum / n }[by];
  return Math.sqrt(error / n) / unit;
}
