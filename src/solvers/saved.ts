import { readBytes, writeBytes } from "#platform";
import { WeightsError } from "../errors.ts";
import { mapTree, scope } from "../tensor/scope.ts";
import type { DType } from "../tensor/shape.ts";
import { empty, type Tensor, uploadRaw } from "../tensor/tensor.ts";
import { formatSafetensors, parseSafetensors, type StoredType } from "../weights/safetensors.ts";
import type { State, Step } from "./solver.ts";

// safetensors has no complex numbers: theirs are pairs along one more axis
const STORED: Partial<Record<DType, StoredType>> = { f32: "F32", f16: "F16", c64: "F32" };

/** A state read back: `run(solver, problem, { seed, start: state, from })` goes on exactly as it would have. */
export interface Saved {
  readonly state: State;
  /** The step to go on with. */
  readonly from: number;
}

/** Writes the state that a run has just yielded to a safetensors file: its tensors, and as metadata all else. Not the counts. */
export async function saveState(path: string, { i, steps, nfe, nbe, ...state }: Step): Promise<void> {
  const tensors: Tensor[] = [];
  const tree = mapTree(state as object, (t) => ({ tensor: tensors.push(t) - 1, dtype: t.dtype, shape: t.shape }));
  const entries = await Promise.all(
    tensors.map(async (t, k) => {
      const dtype = STORED[t.dtype];
      if (!dtype) throw new TypeError(`saveState: expected tensors of f32, f16 or c64, got ${t.dtype}`);
      const shape = t.dtype === "c64" ? [...t.shape, 2] : t.shape;
      return [`${k}`, { dtype, shape, bytes: new Uint8Array(await t.readRaw()) }] as const;
    }),
  );
  await writeBytes(
    path,
    formatSafetensors(Object.fromEntries(entries), { state: JSON.stringify(tree), from: `${i + 1}` }),
  );
}

interface Leaf {
  readonly tensor: number;
  readonly dtype: DType;
  readonly shape: readonly number[];
}
const isLeaf = (x: unknown): x is Leaf => typeof (x as Leaf | null)?.tensor === "number";

/** Reads it back. The tensors are the caller's. */
export async function loadState(path: string): Promise<Saved> {
  const file = parseSafetensors(await readBytes(path), path);
  const from = Number(file.metadata.from);
  const bad = (why: string): never => {
    throw new WeightsError(`${path}: expected a solver's state as saveState writes it, ${why}`);
  };
  if (!file.metadata.state || !Number.isInteger(from)) bad("got a file without one");
  const rebuild = (x: unknown): unknown => {
    if (isLeaf(x)) {
      const { dtype, bytes } = file.entry(`${x.tensor}`);
      if (STORED[x.dtype] !== dtype) bad(`got ${dtype} in place of ${x.dtype}`);
      const t = empty(x.shape, x.dtype);
      uploadRaw(t, bytes.slice());
      return t;
    }
    if (Array.isArray(x)) return x.map(rebuild);
    if (x && typeof x === "object") return Object.fromEntries(Object.entries(x).map(([k, v]) => [k, rebuild(v)]));
    return x;
  };
  return { state: scope(() => rebuild(JSON.parse(file.metadata.state as string)) as State), from };
}
