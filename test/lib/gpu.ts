import { afterAll, afterEach, beforeAll, beforeEach, expect } from "vitest";
import { GpuError } from "../../src/errors.ts";
import { type Gpu, openGpu } from "../../src/gpu/open.ts";
import { dispose, leaves, scope } from "../../src/tensor/scope.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { worstError } from "./close.ts";

let opened: Gpu | undefined;
/** Ends the running test as skipped, with a reason. */
let skip: (note: string) => never;

/** One GPU for the file; every test must leave as many tensors alive as it found. */
export function withGpu(): { readonly gpu: Gpu } {
  let live = 0;
  beforeAll(async () => {
    opened = await openGpu();
  });
  beforeEach((context) => {
    skip = context.skip;
    live = (opened as Gpu).live;
  });
  afterEach(() => {
    expect((opened as Gpu).live, "tensors left alive by this test").toBe(live);
  });
  afterAll(() => {
    if (worstError()) console.log(worstError());
    opened?.[Symbol.dispose]();
    opened = undefined;
  });
  return {
    get gpu() {
      return opened as Gpu;
    },
  };
}

type Numbers<T> = T extends Tensor
  ? Float32Array
  : T extends readonly (infer U)[]
    ? Numbers<U>[]
    : { [K in keyof T]: Numbers<T[K]> };

/** Runs fn in a scope, and reads and frees the tensors of the tree it returns. Without f16, skips a test that needs it. */
export async function evaluate<T>(fn: () => T): Promise<Numbers<T>> {
  let out: T;
  try {
    out = scope(fn);
  } catch (error) {
    if (error instanceof GpuError && error.limit?.name === "shader-f16") skip("this adapter has no f16");
    throw error;
  }
  const tensors = leaves(out);
  const values = await Promise.all(tensors.map((t) => (t.dtype === "u32" ? t.readUint32() : t.read())));
  dispose(out);
  const of = (x: unknown): unknown => {
    const i = tensors.indexOf(x as Tensor);
    if (i >= 0) return values[i];
    if (Array.isArray(x)) return x.map(of);
    if (x && typeof x === "object") return Object.fromEntries(Object.entries(x).map(([k, v]) => [k, of(v)]));
    return x;
  };
  return of(out) as Numbers<T>;
}
