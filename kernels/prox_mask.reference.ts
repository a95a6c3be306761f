/** argmin ½(m x - y)² + (rho/2)(x - v)², number by number; v where m is 0. */
export function proxMask(m: ArrayLike<number>, y: ArrayLike<number>, v: ArrayLike<number>, rho: number): Float64Array {
  return Float64Array.from({ length: v.length }, (_, i) => {
    const [w, a, b] = [m[i] as number, y[i] as number, v[i] as number];
    if (w === 0 || rho === Number.POSITIVE_INFINITY) return b;
    return (w * a + rho * b) / (w * w + rho);
  });
}
