import wgsl from "../shaders/lincomb.wgsl";
import { ShapeError } from "../src/errors.ts";
import { grid1d, kernel } from "../src/tensor/kernel.ts";
import { op } from "../src/tensor/op.ts";
import { sameShape } from "../src/tensor/shape.ts";
import { Tensor } from "../src/tensor/tensor.ts";

interface Options {
  factors: readonly number[];
}
/** Floats in t: a complex number is two, and complex tensors are combined as reals. */
const floats = (t: Tensor) => (t.dtype === "c64" ? 2 : 1) * t.size;

const run = kernel<Options>({
  wgsl,
  params: ({ a }, { factors: [ca = 0, cb = 0, cc = 0, cd = 0] }) => ({
    n: Math.ceil(floats(a) / lanes(a)),
    ca,
    cb,
    cc,
    cd,
  }),
  shapes: ({ a }) => ({ out: a.shape }),
  grid: ({ a }, _, wg) => grid1d(Math.ceil(floats(a) / lanes(a)), wg),
  lanes: ({ a }) => lanes(a),
  overrides: (_, { factors }) => ({ TERMS: factors.length }),
  complex: true,
});
const lanes = (t: Tensor): 1 | 4 => (floats(t) % 4 === 0 ? 4 : 1);

const apply = op<Options>({
  name: "lincomb",
  forward([a, b, c, d], options) {
    return { out: run({ a, b, c, d }, options).out as Tensor };
  },
  vjp: (dy, _, { factors }, needs) => factors.map((f, i) => (needs[i] ? (f === 1 ? dy : lincomb(f, dy)) : null)),
});

/** a x + b y + …: numbers and tensors of one shape in turn. A factor of 0 drops its term. */
export function lincomb(...terms: (number | Tensor)[]): Tensor {
  const factors: number[] = [];
  const tensors: Tensor[] = [];
  for (let i = 0; i < terms.length; i += 2) {
    const [factor, t] = [terms[i], terms[i + 1]];
    if (typeof factor !== "number" || !(t instanceof Tensor))
      throw new TypeError("lincomb: expected numbers and tensors in turn, as in lincomb(2, x, -1, y)");
    const first = tensors[0] ?? t;
    if (!sameShape(first.shape, t.shape) || first.dtype !== t.dtype)
      throw new ShapeError(
        `lincomb: term ${i / 2} is ${t.dtype} [${t.shape}], the first is ${first.dtype} [${first.shape}]`,
      );
    factors.push(factor);
    tensors.push(t);
  }
  if (!tensors.length) throw new TypeError("lincomb: no terms");
  if (tensors.length <= 4) return apply(tensors, { factors });
  const head = lincomb(...terms.slice(0, 8));
  return lincomb(1, head, ...terms.slice(8));
}

/** factor * x; x itself for a factor of 1. */
export const scaled = (factor: number, x: Tensor): Tensor => (factor === 1 ? x : lincomb(factor, x));
