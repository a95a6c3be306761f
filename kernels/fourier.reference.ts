/** [sin(2 pi W u), cos(2 pi W u)] for each u, or the cosines first, in doubles. */
export function fourier(u: readonly number[], W: ArrayLike<number>, first: "sin" | "cos" = "sin"): Float64Array {
  const F = W.length;
  const y = new Float64Array(u.length * 2 * F);
  u.forEach((v, n) => {
    for (let i = 0; i < F; i++) {
      const phase = 2 * Math.PI * (((W[i] as number) * v) % 1);
      const pair = [Math.sin(phase), Math.cos(phase)] as const;
      y[2 * F * n + i] = pair[first === "sin" ? 0 : 1];
      y[2 * F * n + F + i] = pair[first === "sin" ? 1 : 0];
    }
  });
  return y;
}
