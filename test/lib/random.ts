/** Seeded numbers for tests, equal on every machine (mulberry32). */
export function uniforms(count: number, seed = 1, low = -1, high = 1): Float64Array {
  let a = seed * 0x9e3779b9;
  return Float64Array.from({ length: count }, () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return low + (high - low) * (((t ^ (t >>> 14)) >>> 0) / 2 ** 32);
  });
}

export function normals(count: number, seed = 1): Float64Array {
  const u = uniforms(2 * count, seed, 0, 1);
  return Float64Array.from(
    { length: count },
    (_, i) => Math.sqrt(-2 * Math.log(1 - (u[2 * i] as number))) * Math.cos(2 * Math.PI * (u[2 * i + 1] as number)),
  );
}

/** The nearest f32 to each number: what the GPU is given, so what the reference must be given. */
export const asF32 = (x: ArrayLike<number>): Float64Array => Float64Array.from(Float32Array.from(x));

export const integer = (seed: number, low: number, high: number): number =>
  low + Math.floor((uniforms(1, seed, 0, 1)[0] as number) * (high - low + 1));
