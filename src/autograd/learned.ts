import { lincomb } from "../../kernels/lincomb.ts";
import { dot } from "../../kernels/reduce.ts";
import { reshape } from "../../kernels/reshape.ts";
import { op } from "../tensor/op.ts";
import type { Tensor } from "../tensor/tensor.ts";

/**
 * A number that the host knows in float64, with its slopes in learned scalars: each a tensor [1], through which the
 * gradient of whatever is weighed by the number comes back. The tensors' own contents are never asked for.
 */
export interface Learned {
  readonly value: number;
  readonly slopes: ReadonlyMap<Tensor, number>;
}
export type Weight = number | Learned;

/** A learned scalar itself. */
export const learned = (value: number, of: Tensor): Learned => ({ value, slopes: new Map([[of, 1]]) });
export const numberOf = (w: Weight): number => (typeof w === "number" ? w : w.value);
export const slopesOf = (w: Weight): ReadonlyMap<Tensor, number> => (typeof w === "number" ? new Map() : w.slopes);

/** f of a weight, its derivative given. */
export const mapped = (w: Weight, f: (x: number) => number, slope: (x: number) => number): Weight =>
  typeof w === "number" ? f(w) : through(f(w.value), [w, slope(w.value)]);
export const plus = (a: Weight, b: Weight): Weight => through(numberOf(a) + numberOf(b), [a, 1], [b, 1]);
export const times = (a: Weight, b: Weight): Weight =>
  through(numberOf(a) * numberOf(b), [a, numberOf(b)], [b, numberOf(a)]);

/** The chain rule: a value, and its derivatives in what it was made of. */
function through(value: number, ...parts: (readonly [Weight, number])[]): Weight {
  if (parts.every(([w]) => typeof w === "number")) return value;
  const slopes = new Map<Tensor, number>();
  for (const [w, d] of parts) for (const [t, s] of slopesOf(w)) slopes.set(t, (slopes.get(t) ?? 0) + d * s);
  return { value, slopes };
}

interface Options {
  weights: readonly Weight[];
  scalars: readonly Tensor[];
}

const apply = op<Options>({
  name: "weigh",
  forward(inputs, { weights }) {
    const xs = inputs.slice(0, weights.length);
    return { out: lincomb(...weights.flatMap((w, i) => [numberOf(w), xs[i] as Tensor])), saved: xs };
  },
  vjp(dy, xs: Tensor[], { weights, scalars }, needs) {
    const n = weights.length;
    const dots = new Map<number, Tensor>(); // <dy, x_i>, made once for all scalars
    const product = (i: number): Tensor => {
      const known = dots.get(i) ?? reshape(dot(dy, xs[i] as Tensor), [1]);
      dots.set(i, known);
      return known;
    };
    return [
      ...weights.map((w, i) => (needs[i] ? lincomb(numberOf(w), dy) : null)),
      ...scalars.map((s, j) => {
        const terms = weights.flatMap((w, i) => {
          const slope = slopesOf(w).get(s);
          return slope ? [slope, product(i)] : [];
        });
        return needs[n + j] && terms.length ? lincomb(...terms) : null;
      }),
    ];
  },
});

/** a x + b y + …, as `lincomb`, where the numbers may be learned. */
export function weigh(...terms: (Weight | Tensor)[]): Tensor {
  const weights = terms.filter((_, i) => i % 2 === 0) as Weight[];
  const xs = terms.filter((_, i) => i % 2 === 1) as Tensor[];
  const scalars = [...new Set(weights.flatMap((w) => [...slopesOf(w).keys()]))];
  if (!scalars.length) return lincomb(...weights.flatMap((w, i) => [numberOf(w), xs[i] as Tensor]));
  return apply([...xs, ...scalars], { weights, scalars });
}
