/** What the shader makes of random words, in doubles. */
export const uniform = (words: Uint32Array, low = 0, high = 1): Float64Array =>
  Float64Array.from(words, (w) => low + (high - low) * (((w >>> 9) + 0.5) / 2 ** 23));

/** Box and Muller: the words of a pair give the radius and the angle. */
export function normal(words: Uint32Array): Float64Array {
  const out = new Float64Array(words.length);
  for (let i = 0; i < words.length; i++) {
    const [v, u] = [words[i & ~1] as number, words[i | 1] as number];
    const r = Math.sqrt(-2 * Math.log((v + 0.5) / 2 ** 32));
    const angle = (2 * Math.PI * (u + 0.5)) / 2 ** 32;
    out[i] = r * (i & 1 ? Math.sin(angle) : Math.cos(angle));
  }
  return out;
}
