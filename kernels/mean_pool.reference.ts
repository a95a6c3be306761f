import { type Case, pooledShape, windows } from "./max_pool.reference.ts";

/** The mean of the pixels of each window that lie in x, in plain loops and doubles. */
export function meanPool(x: ArrayLike<number>, shape: readonly number[], c: Case): Float64Array {
  const y = new Float64Array(pooledShape(shape, c).reduce((a, b) => a * b, 1));
  windows(shape, c, (o, pixels) => {
    y[o] = pixels.reduce((sum, i) => sum + (x[i] as number), 0) / pixels.length;
  });
  return y;
}
