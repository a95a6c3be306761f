export interface Random {
  /** A whole number of [0, n). */
  below(n: number): number;
  pick<T>(of: readonly T[]): T;
}

/** Numbers that look random, the same for the same seed [mulberry32]. */
export function random(seed: number): Random {
  let state = seed >>> 0;
  const below = (n: number): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return Math.floor((((x ^ (x >>> 14)) >>> 0) / 2 ** 32) * n);
  };
  return { below, pick: (of) => of[below(of.length)]! };
}

/** Numbers at which sizes and offsets go wrong. */
export const INTERESTING: readonly bigint[] = [
  0n,
  1n,
  -1n,
  127n,
  128n,
  255n,
  256n,
  32767n,
  65535n,
  65536n,
  0x7fffffffn,
  0x80000000n,
  0xfffffff0n,
  0xffffffffn,
  2n ** 32n,
  2n ** 40n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
];
