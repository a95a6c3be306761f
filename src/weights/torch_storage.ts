import { WeightsError } from "../errors.ts";
import { countOf, type StoredType, type View } from "./stored.ts";
import { ELEMENT, is, type Opaque, type Storage, type TensorValue, type Value, words } from "./values.ts";

export interface StorageId {
  readonly type: string;
  readonly key: string;
  readonly numel: number;
  /** A window into the storage, of old legacy files. */
  readonly view: { readonly first: number; readonly numel: number } | undefined;
}

const count = (n: Value | undefined): n is number => Number.isSafeInteger(n) && (n as number) >= 0;

/** ('storage', torch.FloatStorage, key, location, numel[, view]): the persistent id of both containers. */
export function storageId(id: Value, file: string): StorageId {
  const [tag, global, key, , numel, view] = Array.isArray(id) ? id : [];
  const type = is(global, "global") ? /^torch(?:\.cuda|\.storage)?\.(\w+)Storage$/.exec(global.name)?.[1] : undefined;
  const name = typeof key === "string" || typeof key === "number" ? String(key) : undefined;
  if (tag !== "storage" || type === undefined || name === undefined || !count(numel))
    throw new WeightsError(`${file}: a reference of its pickle is to no torch storage`);
  if (view === undefined || view === null) return { type, key: name, numel, view: undefined };
  const [, first, size] = Array.isArray(view) ? view : [];
  if (!count(first) || !count(size) || first + size > numel)
    throw new WeightsError(
      `${file}: storage ${name} is a window of [${[first, size].map(words).join()}] into ${numel} numbers`,
    );
  return { type, key: name, numel, view: { first, numel: size } };
}

/** One storage per key, whatever the number of tensors that view it. */
export function storages(file: string): {
  persistent(id: Value): Storage;
  roots: Map<string, { type: string; numel: number; root: Storage["root"] }>;
} {
  const roots = new Map<string, { type: string; numel: number; root: Storage["root"] }>();
  return {
    roots,
    persistent(id) {
      const { type, key, numel, view } = storageId(id, file);
      let known = roots.get(key);
      if (!known) roots.set(key, (known = { type, numel, root: {} }));
      if (known.type !== type || known.numel !== numel)
        throw new WeightsError(
          `${file}: storage ${key} is ${known.numel} ${known.type} at first and ${numel} ${type} later`,
        );
      return { kind: "storage", type, root: known.root, first: view?.first ?? 0, numel: view?.numel ?? numel };
    },
  };
}

const DTYPES: Readonly<Record<string, StoredType>> = {
  Double: "F64",
  Float: "F32",
  Half: "F16",
  BFloat16: "BF16",
  Long: "I64",
  Int: "I32",
  Short: "I16",
  Char: "I8",
  Byte: "U8",
  Untyped: "U8",
  Bool: "BOOL",
};
const NUMPY: Readonly<Record<string, StoredType>> = {
  f8: "F64",
  f4: "F32",
  f2: "F16",
  i8: "I64",
  i4: "I32",
  i2: "I16",
  i1: "I8",
  u1: "U8",
  b1: "BOOL",
};

/** A tensor or array of a pickle as a view of the file; undefined where it is neither. */
export function viewOf(value: Value | undefined, who: string): View | undefined {
  if (is(value, "tensor")) return ofTensor(value, who);
  if (is(value, "opaque") && /^numpy\.(_?core)\.multiarray\._reconstruct$/.test(value.of)) return ofArray(value, who);
  return undefined;
}

function ofTensor({ storage, offset, shape, stride }: TensorValue, who: string): View {
  const dtype = Object.hasOwn(DTYPES, storage.type) ? DTYPES[storage.type] : undefined;
  if (!dtype) throw new WeightsError(`${who}: ${storage.type} numbers are not supported; save it as float`);
  const { data } = storage.root;
  if (!data) throw new WeightsError(`${who}: its storage is not in the file`);
  const size = ELEMENT[storage.type] as number;
  if ((storage.first + storage.numel) * size > data.length)
    throw new WeightsError(`${who}: its storage of ${storage.numel} ${storage.type} has ${data.length} bytes`);
  const window = { source: data.source, at: data.at + storage.first * size, length: storage.numel * size };
  return { dtype, shape, stride, offset, data: window };
}

/** numpy's pickles: _reconstruct(ndarray, …) and the state (version, shape, dtype, in Fortran order, bytes). */
function ofArray({ state }: Opaque, who: string): View {
  const [, shape, dtype, fortran, bytes] = Array.isArray(state) ? state : [];
  const type = numpyType(dtype, who);
  if (countOf(shape) === undefined || !is(bytes, "bytes"))
    throw new WeightsError(`${who}: an array without its numbers`);
  return numpyView(type, shape as number[], fortran === true, bytes.data);
}

export function numpyView(dtype: StoredType, shape: number[], fortran: boolean, data: View["data"]): View {
  const axes = fortran ? [...shape.keys()] : [...shape.keys()].reverse();
  const stride = shape.map(() => 1);
  let step = 1;
  for (const d of axes) {
    stride[d] = step;
    step *= Math.max(1, shape[d] as number);
  }
  return { dtype, shape, stride, offset: 0, data };
}

export function numpyDescr(descr: string, who: string): StoredType {
  if (descr[0] === ">" && descr.length === 3 && !descr.endsWith("1"))
    throw new WeightsError(`${who}: big-endian numbers (${descr}); save with .astype("<${descr.slice(1)}")`);
  const code = descr.replace(/^[<|=]/, "");
  if (!Object.hasOwn(NUMPY, code))
    throw new WeightsError(`${who}: dtype ${descr.slice(0, 20)} is not one of numbers we read`);
  return NUMPY[code] as StoredType;
}

/** numpy.dtype("f4", …) and its state (version, byte order, …). */
export function numpyType(dtype: Value | undefined, who: string): StoredType {
  const code =
    is(dtype, "opaque") && dtype.of === "numpy.dtype" && Array.isArray(dtype.args) ? dtype.args[0] : undefined;
  if (typeof code !== "string") throw new WeightsError(`${who}: an array of unknown type`);
  const order = is(dtype, "opaque") && Array.isArray(dtype.state) ? dtype.state[1] : "<";
  return numpyDescr(`${order === ">" ? ">" : "<"}${code}`, who);
}
