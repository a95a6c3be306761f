// Random numbers without a state: the n-th number of a stream is a hash of (stream, n). Any tile of any data set can
// be made alone, in any order, and is the same. The hash is integers only; normal and laplace go through Math.log, whose
// last bit a JavaScript engine may choose, which bytes do not show.

/** A 32-bit mixer of full avalanche [Wellons 2018, "lowbias32"]. */
export function mix32(v: number): number {
  let x = v | 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

/** Hash of a few integers. */
export function hash(...parts: number[]): number {
  let h = 0x9e3779b9;
  for (const part of parts) h = mix32((h + Math.imul(part | 0, 0x85ebca6b)) ^ (h >>> 7));
  return h;
}

/** Counter-based stream: the draws of one picture, one leaf, one crop. */
export interface Draws {
  /** [0, 1) */
  uniform(from?: number, to?: number): number;
  /** 0 .. n - 1 */
  below(n: number): number;
  normal(): number;
  /** Laplace of scale 1: sparse, as colour differences of natural pictures are. */
  laplace(): number;
}

export function draws(...key: number[]): Draws {
  const base = hash(...key);
  let counter = 0;
  const next = () => mix32(base + Math.imul(++counter, 0x9e3779b9)) / 4294967296;
  return {
    uniform: (from = 0, to = 1) => from + (to - from) * next(),
    below: (n) => Math.floor(next() * n),
    normal: () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
    laplace: () => {
      const u = next() - 0.5;
      return -Math.sign(u) * Math.log(1 - 2 * Math.abs(u) + 1e-12);
    },
  };
}
