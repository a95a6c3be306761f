import type { Gpu } from "../src/gpu/open.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { dft, roots } from "./fft_host.ts";
import { table } from "./table.ts";

/** One dispatch of a transform along a line: a radix, or a product with a table. */
export type Pass =
  | {
      readonly kind: "radix";
      readonly radix: number;
      readonly n: number;
      readonly s: number;
      readonly inverse: boolean;
    }
  | {
      readonly kind: "chirp";
      readonly table: string;
      readonly have: number;
      readonly keep: number;
      readonly conjugate: boolean;
    };

/** The radices of a length, or undefined when another prime than 2, 3, 5 and 7 divides it. */
export function radices(n: number): number[] | undefined {
  const odd: number[] = [];
  let rest = n;
  for (const p of [7, 5, 3]) for (; rest % p === 0; rest /= p) odd.push(p);
  const bits = Math.log2(rest);
  if (!Number.isInteger(bits)) return undefined;
  // as few passes as radix 16 allows, the factors of two spread evenly over them
  const passes = Math.ceil(bits / 4);
  const even = Array.from({ length: passes }, (_, i) => 2 ** Math.floor((bits + passes - 1 - i) / passes));
  const all = [...even, ...odd].sort((a, b) => b - a);
  return all.length ? all : [1];
}

/** The length at least 2n - 1 that costs Bluestein's convolution least. */
function convolutionLength(n: number): number {
  let best = 0;
  let least = Number.POSITIVE_INFINITY;
  for (let m = 2 * n - 1; m <= 4 * n; m++) {
    const passes = radices(m)?.length;
    if (passes && m * passes < least) [best, least] = [m, m * passes];
  }
  return best;
}

function chain(n: number, list: readonly number[], inverse: boolean): Pass[] {
  let s = 1;
  return list.map((radix) => {
    const pass: Pass = { kind: "radix", radix, n, s, inverse };
    s *= radix;
    return pass;
  });
}

/**
 * The passes of an unnormalised transform of n numbers. Lengths with other primes go by Bluestein's convolution:
 *   X_k = c_k sum_j (x_j c_j) conj(c_(k-j)),  c_j = exp(-pi i j^2 / n)
 */
export function passes(n: number, inverse: boolean): readonly Pass[] {
  const key = `${n} ${inverse}`;
  const list = plans.get(key) ?? planned(n, inverse);
  plans.set(key, list);
  return list;
}
const plans = new Map<string, readonly Pass[]>();

function planned(n: number, inverse: boolean): Pass[] {
  const direct = radices(n);
  if (direct) return chain(n, direct, inverse);
  const m = convolutionLength(n);
  const list = radices(m) as number[];
  const times = (table: string, have: number, keep: number): Pass => ({
    kind: "chirp",
    table,
    have,
    keep,
    conjugate: inverse,
  });
  return [
    times(`chirp ${n}`, n, m),
    ...chain(m, list, false),
    times(`convolve ${n} ${m}`, m, m),
    ...chain(m, list, true),
    times(`chirp ${n}`, m, n),
  ];
}

/** exp(-pi i j^2 / n), j < n. */
function chirp(n: number): Float64Array {
  const c = new Float64Array(2 * n);
  for (let j = 0; j < n; j++) {
    const angle = (Math.PI * ((j * j) % (2 * n))) / n; // j^2 mod 2n keeps the angle small, hence exact
    c[2 * j] = Math.cos(angle);
    c[2 * j + 1] = -Math.sin(angle);
  }
  return c;
}

/** The spectrum of conj(c_|j|), laid around a circle of m, over m: the inverse transform's norm is in it. */
function convolver(n: number, m: number): Float64Array {
  const c = chirp(n);
  const around = new Float64Array(2 * m);
  for (let j = 0; j < n; j++)
    for (const at of j ? [j, m - j] : [0]) {
      around[2 * at] = (c[2 * j] as number) / m;
      around[2 * at + 1] = -(c[2 * j + 1] as number) / m;
    }
  return dft(around);
}

export const rootTable = (gpu: Gpu, n: number): Tensor => table(gpu, `roots ${n}`, () => roots(n));

export function factorTable(gpu: Gpu, key: string): Tensor {
  const [kind, n, m] = key.split(" ");
  return table(gpu, key, () => (kind === "chirp" ? chirp(Number(n)) : convolver(Number(n), Number(m))));
}
