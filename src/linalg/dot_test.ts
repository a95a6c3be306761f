import { rng } from "../../kernels/random.ts";
import { asComplex } from "../../kernels/reshape.ts";
import { dispose, scope } from "../tensor/scope.ts";
import type { DType, Shape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { LinearOperator } from "./operator.ts";

/** White noise, on one side of an operator. */
export function white(random: { normal(shape: Shape): Tensor }, shape: Shape, type: DType = "f32"): Tensor {
  return type === "c64" ? asComplex(random.normal([...shape, 2])) : random.normal(shape);
}

const inner = (a: Float32Array, b: Float32Array) => a.reduce((sum, v, i) => sum + v * (b[i] as number), 0);

/**
 * How far the adjoint is from being one: |<Ax, y> - <x, A*y>| over its size had the two nothing to do with each other,
 * root mean square over four draws of white x, y. That estimates |A - (A*)*| / |A|; f32 arithmetic gives about 1e-7.
 */
export async function dotTest(A: LinearOperator, { seed = 0, draws = 4 } = {}): Promise<{ relative: number }> {
  let sum = 0;
  for (let k = 0; k < draws; k++) {
    const tensors = scope(() => {
      const random = rng(seed).fork(k);
      const x = white(random, [1, ...A.domain], A.domainType);
      const y = white(random, [1, ...A.range], A.rangeType);
      return [x, A.apply(x), y, A.adjoint(y)];
    });
    try {
      const [x, Ax, y, Ay] = (await Promise.all(tensors.map((t) => t.read()))) as [Float32Array, ...Float32Array[]] &
        Float32Array[];
      const [left, right] = [inner(Ax as Float32Array, y as Float32Array), inner(x, Ay as Float32Array)];
      const size =
        Math.sqrt(inner(Ax as Float32Array, Ax as Float32Array)) ||
        Math.sqrt(inner(Ay as Float32Array, Ay as Float32Array)) ||
        1;
      sum += ((left - right) / size) ** 2;
    } finally {
      dispose(tensors);
    }
  }
  return { relative: Math.sqrt(sum / draws) };
}
