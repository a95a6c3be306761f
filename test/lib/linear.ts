import { expect } from "vitest";
import { vjp } from "../../src/autograd/vjp.ts";
import { fromHalf, toHalf } from "../../src/tensor/half.ts";
import type { DType, Shape } from "../../src/tensor/shape.ts";
import { sizeOf } from "../../src/tensor/shape.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "./close.ts";
import { evaluate } from "./gpu.ts";
import { asF32, normals } from "./random.ts";

export interface LinearCase {
  op: (x: Tensor) => Tensor;
  /** The same map of plain numbers. For complex tensors, of pairs of numbers along the last axis. */
  reference: (x: Float64Array, shape: Shape) => Float64Array;
  shape: Shape;
  dtype?: DType;
  /** Shape of the result, checked when given. */
  to?: Shape;
  l2?: number;
  /** Also the gradient, column by column against the reference, and the gradient of the gradient. */
  adjoint?: boolean;
}

const seen = (shape: Shape, dtype: DType): Shape =>
  dtype === "c64" ? [...shape.slice(0, -1), 2 * (shape.at(-1) as number)] : shape;
const stored = (x: Float64Array, dtype: DType) => (dtype === "f16" ? x.map((v) => fromHalf(toHalf(v))) : asF32(x));

/** Checks a linear (or affine) op: its result, its adjoint against the transpose of the reference, and the adjoint of that. */
export async function checkLinear({
  op,
  reference,
  shape,
  dtype = "f32",
  to,
  l2,
  adjoint = true,
}: LinearCase): Promise<void> {
  const tolerance = { l2: l2 ?? (dtype === "f16" ? 1e-3 : 1e-6) };
  const plain = seen(shape, dtype);
  const some = stored(normals(Math.min(sizeOf(plain), 65_537), 1), dtype);
  const x = Float64Array.from({ length: sizeOf(plain) }, (_, i) => some[i % some.length] as number);
  const want = reference(x, plain);
  const dy = stored(normals(adjoint ? want.length : 0, 2), dtype);
  const got = await evaluate(() => {
    const input = tensor(shape, x, dtype);
    if (!adjoint) return { y: op(input), shape: [] as Shape };
    const { value, pullback } = vjp(op, input);
    expect(value.dtype).toBe(dtype);
    const cotangent = tensor(value.shape, dy, dtype);
    const twice = vjp((d: Tensor) => vjp(op, input).pullback(d)[0], cotangent);
    return { y: value, shape: value.shape, dx: pullback(cotangent)[0], again: twice.pullback(input)[0] };
  });
  if (to && adjoint) expect(got.shape).toEqual(to);
  expectClose(got.y, want, tolerance);
  if (!adjoint) return;
  const origin = reference(new Float64Array(x.length), plain);
  const dx = x.map((_, k) => {
    const column = reference(new Float64Array(x.length).fill(1, k, k + 1), plain);
    let s = 0;
    for (let i = 0; i < dy.length; i++) s += ((column[i] as number) - (origin[i] as number)) * (dy[i] as number);
    return s;
  });
  expectClose(got.dx as unknown as Float32Array, dx, tolerance);
  expectClose(
    got.again as unknown as Float32Array,
    want.map((v, i) => v - (origin[i] as number)),
    tolerance,
  );
}
