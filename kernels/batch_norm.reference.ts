/** (x - mean) gamma / sqrt(variance + eps) + beta in doubles, then ReLU where asked; x [.., C], the rest [C]. */
export function batchNorm(
  x: ArrayLike<number>,
  { mean, variance, gamma, beta }: Record<"mean" | "variance" | "gamma" | "beta", ArrayLike<number>>,
  eps: number,
  relu = false,
): Float64Array {
  return Float64Array.from(x, (v, i) => {
    const c = i % mean.length;
    const y =
      ((v - (mean[c] as number)) * (gamma[c] as number)) / Math.sqrt((variance[c] as number) + eps) +
      (beta[c] as number);
    return relu ? Math.max(0, y) : y;
  });
}
