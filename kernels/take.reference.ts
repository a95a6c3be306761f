/** Rows `numbers` of each of N tables of P rows of E numbers. */
export function take(
  x: ArrayLike<number>,
  [N, P, E]: readonly [number, number, number],
  numbers: ArrayLike<number>,
): Float64Array {
  const Q = numbers.length;
  return Float64Array.from({ length: N * Q * E }, (_, o) => {
    const [n, i, e] = [Math.floor(o / (Q * E)), Math.floor(o / E) % Q, o % E];
    return x[(n * P + (numbers[i] as number)) * E + e] as number;
  });
}

/** Its adjoint: those rows back in their places, among zeros. */
export function put(
  y: ArrayLike<number>,
  [N, P, E]: readonly [number, number, number],
  numbers: ArrayLike<number>,
): Float64Array {
  const out = new Float64Array(N * P * E);
  for (let o = 0; o < y.length; o++) {
    const [n, i, e] = [Math.floor(o / (numbers.length * E)), Math.floor(o / E) % numbers.length, o % E];
    out[(n * P + (numbers[i] as number)) * E + e] = y[o] as number;
  }
  return out;
}
