/** y_i = sum over j of (-1)^popcount(i & j) x_j, of n numbers, by the definition. */
export function walshHadamard(x: ArrayLike<number>): Float64Array {
  const odd = (v: number): number => (v === 0 ? 0 : (v & 1) ^ odd(v >>> 1));
  return Float64Array.from({ length: x.length }, (_, i) => {
    let s = 0;
    for (let j = 0; j < x.length; j++) s += (odd(i & j) ? -1 : 1) * (x[j] as number);
    return s;
  });
}
