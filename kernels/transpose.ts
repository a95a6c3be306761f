import wgsl from "../shaders/transpose.wgsl";
import wgslAny from "../shaders/transpose_any.wgsl";
import { ShapeError } from "../src/errors.ts";
import { grid1d, type KernelSpec, kernel } from "../src/tensor/kernel.ts";
import { op } from "../src/tensor/op.ts";
import { type Shape, sizeOf } from "../src/tensor/shape.ts";
import type { Tensor } from "../src/tensor/tensor.ts";

const transposed = (s: Shape): Shape => [...s.slice(0, -2), s.at(-1) as number, s.at(-2) as number];

const spec = (text: string, block: number): KernelSpec<object> => ({
  wgsl: text,
  params: ({ x: { shape } }) => ({
    Z: sizeOf(shape.slice(0, -2)),
    R: shape.at(-2) / block,
    C: shape.at(-1) / block,
  }),
  shapes: ({ x }) => ({ y: transposed(x.shape) }),
  grid: ({ x }, _, wg) => grid1d(x.size / block ** 2, wg),
});
const blocks = kernel(spec(wgsl, 4));
const any = kernel(spec(wgslAny, 1));

const apply = op({
  name: "transpose",
  forward([x]) {
    const [r, c] = (x as Tensor).shape.slice(-2) as [number, number];
    return { out: (r % 4 || c % 4 ? any : blocks)({ x }, {}).y as Tensor };
  },
  vjp: (dy) => [transpose(dy)],
});

/** The last two axes exchanged, as a copy. */
export function transpose(x: Tensor): Tensor {
  if (x.shape.length < 2) throw new ShapeError(`transpose: expected [..., R, C], got [${x.shape}]`);
  return apply([x], {});
}
