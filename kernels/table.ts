import type { Gpu } from "../src/gpu/open.ts";
import { detached } from "../src/tensor/scope.ts";
import { empty, type Tensor, upload } from "../src/tensor/tensor.ts";

const tables = new WeakMap<Gpu, Map<string, Tensor>>();

/** Complex numbers that depend on `key` alone, interleaved: computed once in float64, kept for as long as the GPU. */
export function table(gpu: Gpu, key: string, make: () => Float64Array): Tensor {
  let mine = tables.get(gpu);
  if (!mine) {
    mine = new Map();
    tables.set(gpu, mine);
  }
  let known = mine.get(key);
  if (!known) {
    const data = make();
    known = gpu.capturing(undefined, () => {
      const made = detached(() => empty([data.length / 2], "c64", gpu));
      upload(made, data);
      gpu.pool.live--; // it is nobody's to free, so no leak
      return made;
    });
    mine.set(key, known);
  }
  return known;
}
