import { ShapeError } from "../src/errors.ts";
import { op } from "../src/tensor/op.ts";
import { type Shape, sizeOf } from "../src/tensor/shape.ts";
import { Tensor } from "../src/tensor/tensor.ts";

/** Another tensor over the same bytes. */
const alias = (x: Tensor | undefined, shape: Shape, dtype = (x as Tensor).dtype) =>
  new Tensor(shape, dtype, (x as Tensor).storage, (x as Tensor).offset);

const apply = op<{ from: Shape; to: Shape }>({
  name: "reshape",
  forward: ([x], { to }) => ({ out: alias(x, to) }),
  vjp: (dy, _, { from }) => [reshape(dy, from)],
});

/** The same numbers under another shape: shares the buffer. One entry may be -1. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const known = shape.reduce((a, n) => (n === -1 ? a : a * n), 1);
  const full = shape.map((n) => (n === -1 ? x.size / known : n));
  if (sizeOf(full) !== x.size || full.some((n) => !Number.isInteger(n)))
    throw new ShapeError(`reshape: [${x.shape}] holds ${x.size} numbers, [${shape}] does not`);
  return apply([x], { from: x.shape, to: full });
}

const asComplexOp = op({
  name: "asComplex",
  forward: ([x]) => ({ out: alias(x, (x as Tensor).shape.slice(0, -1), "c64") }),
  vjp: (dy) => [asReal(dy)],
});
const asRealOp = op({
  name: "asReal",
  forward: ([x]) => ({ out: alias(x, [...(x as Tensor).shape, 2], "f32") }),
  vjp: (dy) => [asComplex(dy)],
});

/** f32 [..., 2] seen as complex [...]: shares the buffer. */
export function asComplex(x: Tensor): Tensor {
  if (x.dtype !== "f32" || x.shape.at(-1) !== 2)
    throw new ShapeError(`asComplex: expected f32 [..., 2], got ${x.dtype} [${x.shape}]`);
  return asComplexOp([x], {});
}

/** Complex [...] seen as f32 [..., 2]: shares the buffer. */
export function asReal(x: Tensor): Tensor {
  if (x.dtype !== "c64") throw new ShapeError(`asReal: expected c64, got ${x.dtype} [${x.shape}]`);
  return asRealOp([x], {});
}
