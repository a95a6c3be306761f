type Pair = readonly [number, number];

export const cmul = ([a, b]: Pair, [c, d]: Pair): Pair => [a * c - b * d, a * d + b * c];
export const cconj = ([a, b]: Pair): Pair => [a, -b];
export const cdiv = (u: Pair, v: Pair): Pair => {
  const [re, im] = cmul(u, cconj(v));
  const m = v[0] ** 2 + v[1] ** 2;
  return [re / m, im / m];
};

/** f over pairs of two interleaved arrays; a shorter one repeats, as an operand without the leading axes does. */
export function complex(f: (a: Pair, b: Pair) => Pair, a: ArrayLike<number>, b: ArrayLike<number>): Float64Array {
  const out = new Float64Array(Math.max(a.length, b.length));
  const at = (t: ArrayLike<number>, i: number): Pair => [t[i % t.length] as number, t[(i + 1) % t.length] as number];
  for (let i = 0; i < out.length; i += 2) out.set(f(at(a, i), at(b, i)), i);
  return out;
}
