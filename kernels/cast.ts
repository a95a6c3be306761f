import narrow from "../shaders/cast_narrow.wgsl";
import widen from "../shaders/cast_widen.wgsl";
import { ShapeError } from "../src/errors.ts";
import { grid1d, kernel, lanesFor } from "../src/tensor/kernel.ts";
import { op } from "../src/tensor/op.ts";
import type { DType } from "../src/tensor/shape.ts";
import type { Tensor } from "../src/tensor/tensor.ts";

type Spec = Parameters<typeof kernel>[0];
const spec = (wgsl: string, elem: "f32" | "f16"): Spec => ({
  wgsl,
  params: ({ x }) => ({ n: x.size / lanesFor(x.size) }),
  shapes: ({ x }) => ({ y: x.shape }),
  grid: ({ x }, _, wg) => grid1d(x.size / lanesFor(x.size), wg),
  lanes: ({ x }) => lanesFor(x.size),
  elem: () => elem,
});
const toHalf = kernel(spec(narrow, "f16"));
const toFloat = kernel(spec(widen, "f16"));

const apply = op<{ from: DType; to: DType }>({
  name: "cast",
  forward: ([x], { to }) => ({ out: (to === "f16" ? toHalf : toFloat)({ x }, {}).y as Tensor }),
  vjp: (dy, _, { from }) => [cast(dy, from)],
});

/** x in another storage type, f32 or f16; x itself when it is that already. */
export function cast(x: Tensor, dtype: DType): Tensor {
  if (x.dtype === dtype) return x;
  const real = (d: DType) => d === "f32" || d === "f16";
  if (!real(x.dtype) || !real(dtype))
    throw new ShapeError(`cast: from ${x.dtype} to ${dtype} is not a cast; it is between f32 and f16`);
  return apply([x], { from: x.dtype, to: dtype });
}
