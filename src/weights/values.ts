import type { Range } from "./source.ts";

// What a pickle may hold, as inert data. Lists and tuples are arrays; dictionaries are Maps, so that a key named
// `__proto__` is a key like any other; whatever else a pickle would call is kept as its name and arguments.

/** A name that a pickle imports. It stays a name. */
export interface Global {
  readonly kind: "global";
  readonly name: string;
}
/** What a call of an unknown name would have made. */
export interface Opaque {
  readonly kind: "opaque";
  readonly of: string;
  readonly args: Value;
  state: Value;
  entries?: Map<Value, Value>;
}
export interface Bytes {
  readonly kind: "bytes";
  readonly data: Range;
}
/** A run of numbers that tensors view. A legacy file says where it is after the pickle that names it. */
export interface Storage {
  readonly kind: "storage";
  /** "Float", "BFloat16" … as in torch.FloatStorage. */
  readonly type: string;
  readonly numel: number;
  /** In elements, from the beginning of its root. */
  readonly first: number;
  readonly root: { data?: Range };
}
export interface TensorValue {
  readonly kind: "tensor";
  readonly storage: Storage;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly stride: readonly number[];
}
export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Value[]
  | Map<Value, Value>
  | Set<Value>
  | Global
  | Opaque
  | Bytes
  | Storage
  | TensorValue;

type Kinds = { global: Global; opaque: Opaque; bytes: Bytes; storage: Storage; tensor: TensorValue };
export const is = <K extends keyof Kinds>(value: Value | undefined, kind: K): value is Kinds[K] =>
  typeof value === "object" && value !== null && (value as Partial<Global>).kind === kind;

/** A key as text. Of a list it is not told what is in it: one of few bytes may hold itself exponentially often. */
export const words = (value: unknown): string =>
  typeof value !== "object" || value === null ? String(value) : Array.isArray(value) ? "(list)" : "(object)";

/** Bytes an element of a torch storage takes, by the storage's name. */
export const ELEMENT: Readonly<Record<string, number>> = Object.assign(Object.create(null), {
  Double: 8,
  Float: 4,
  Half: 2,
  BFloat16: 2,
  Long: 8,
  Int: 4,
  Short: 2,
  Char: 1,
  Byte: 1,
  Bool: 1,
  Untyped: 1,
  ComplexFloat: 8,
  ComplexDouble: 16,
  QInt8: 1,
  QUInt8: 1,
  QInt32: 4,
});
