import wgsl from "../shaders/take.wgsl";
import { ShapeError } from "../src/errors.ts";
import { grid1d, kernel } from "../src/tensor/kernel.ts";
import { op } from "../src/tensor/op.ts";
import { sizeOf } from "../src/tensor/shape.ts";
import { type Tensor, tensor } from "../src/tensor/tensor.ts";

/** Which of P rows are taken, in which order, none twice; and for each of P rows where it went. */
export interface Selection {
  readonly index: Tensor;
  readonly back: Tensor;
}

/** Of the rows 0 to P - 1 those with these numbers, in this order. */
export function selection(P: number, numbers: ArrayLike<number>): Selection {
  const back = new Uint32Array(P).fill(0xffffffff);
  for (let i = 0; i < numbers.length; i++) {
    const row = numbers[i] as number;
    if (back[row] !== 0xffffffff)
      throw new RangeError(`selection: expected different rows below ${P}, got ${row} at ${i}`);
    back[row] = i;
  }
  return { index: tensor([numbers.length], Uint32Array.from(numbers), "u32"), back: tensor([P], back, "u32") };
}

const rowOf = (x: Tensor) => sizeOf(x.shape.slice(2)) * (x.dtype === "c64" ? 2 : 1);
const count = (x: Tensor, index: Tensor) => (x.shape[0] as number) * index.size * rowOf(x);
const run = kernel<object>({
  wgsl,
  params: ({ x, index }) => ({ n: count(x, index), P: x.shape[1], Q: index.size, E: rowOf(x) }),
  shapes: ({ x, index }) => ({ y: [x.shape[0], index.size, ...x.shape.slice(2)] }),
  grid: ({ x, index }, _, wg) => grid1d(count(x, index), wg),
  complex: true,
});
const apply = op<Selection>({
  name: "take",
  forward: ([x], { index }) => ({ out: run({ x, index }, {}).y as Tensor }),
  vjp: (dy, _, { index, back }): Tensor[] => [apply([dy], { index: back, back: index })],
});

function rows(name: string, x: Tensor, expected: number): void {
  if (x.shape.length < 2 || x.shape[1] !== expected)
    throw new ShapeError(`${name}: expected [N, ${expected}, ...], got [${x.shape}]`);
}

/** The selected rows of x [N, P, ...], as [N, Q, ...]. */
export function take(x: Tensor, selected: Selection): Tensor {
  rows("take", x, selected.back.size);
  return apply([x], selected);
}

/** Rows y [N, Q, ...] put where `take` takes them from, among zeros: its adjoint. */
export function put(y: Tensor, { index, back }: Selection): Tensor {
  rows("put", y, index.size);
  return apply([y], { index: back, back: index });
}
