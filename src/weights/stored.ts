import { WeightsError } from "../errors.ts";
import { halvesTo } from "../tensor/half.ts";
import type { Range } from "./source.ts";

export type StoredType = "F64" | "F32" | "F16" | "BF16" | "I64" | "I32" | "I16" | "I8" | "U8" | "BOOL";
export const STORED_BYTES: Readonly<Record<StoredType, number>> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
};

export interface TensorInfo {
  readonly dtype: StoredType;
  readonly shape: readonly number[];
}
export interface StoredTensor {
  readonly dtype: StoredType;
  readonly shape: number[];
  /** Little-endian, row-major. */
  readonly bytes: Uint8Array;
}

/** Numbers in a run of bytes, not read yet: element i_0, i_1, … is at offset + sum of i_d stride_d. */
export interface View {
  readonly dtype: StoredType;
  readonly shape: readonly number[];
  /** In elements, as PyTorch has them: 0 repeats, and any order of axes may lie in memory. */
  readonly stride: readonly number[];
  readonly offset: number;
  readonly data: Range;
}

const MAX_RANK = 32;
export const whole = (n: unknown): n is number => Number.isSafeInteger(n) && (n as number) >= 0;

/** Product of a shape that a file claims, or undefined where it is no shape of this world. */
export function countOf(shape: unknown): number | undefined {
  if (!Array.isArray(shape) || shape.length > MAX_RANK || !shape.every(whole)) return undefined;
  const count = shape.includes(0) ? 0 : shape.reduce((a, b) => a * b, 1);
  return Number.isSafeInteger(count) ? count : undefined;
}

export const rowMajor = (shape: readonly number[]): number[] => {
  const stride = shape.map(() => 1);
  for (let d = shape.length - 2; d >= 0; d--)
    stride[d] = (stride[d + 1] as number) * Math.max(1, shape[d + 1] as number);
  return stride;
};

/** How many elements lie between the first and the last, both included. */
const extent = ({ shape, stride }: View): number =>
  shape.includes(0) ? 0 : shape.reduce((sum, n, d) => sum + (n - 1) * (stride[d] as number), 1);

/** Throws unless every element of the view lies inside its bytes. Returns its size, row-major, in bytes. */
export function checkView(view: View, who: string): number {
  const { dtype, shape, stride, offset, data } = view;
  const count = countOf(shape);
  if (count === undefined) throw new WeightsError(`${who}: [${String(shape).slice(0, 80)}] is not a shape`);
  if (stride.length !== shape.length || !stride.every(whole) || !whole(offset))
    throw new WeightsError(`${who}: offset ${offset} and strides [${String(stride).slice(0, 80)}] are not a view`);
  const end = (offset + extent(view)) * STORED_BYTES[dtype];
  if (count && !(end <= data.length))
    throw new WeightsError(`${who}: ${dtype} [${shape}] ends at byte ${end}, its storage has ${data.length}`);
  return count * STORED_BYTES[dtype];
}

/** Reads the bytes of a view that was checked, from its first element to its last, and lays them out row-major. */
export async function readView(view: View): Promise<StoredTensor> {
  const { dtype, stride, offset, data } = view;
  const shape = [...view.shape];
  const size = STORED_BYTES[dtype];
  const span = extent(view) * size;
  const raw = span ? await data.source.read(data.at + offset * size, span) : new Uint8Array(0);
  const ordered = rowMajor(shape).every((s, d) => s === stride[d] || (shape[d] as number) <= 1);
  if (ordered || !span) return { dtype, shape, bytes: raw };
  return { dtype, shape, bytes: gather(raw, shape, stride, size) };
}

function gather(raw: Uint8Array, shape: readonly number[], stride: readonly number[], size: number): Uint8Array {
  const out = new Uint8Array(shape.reduce((a, b) => a * b, size));
  const last = shape.length - 1;
  const [row, step] = [shape[last] as number, (stride[last] as number) * size];
  const index = shape.map(() => 0);
  let from = 0;
  for (let to = 0; to < out.length; ) {
    for (let i = 0, at = from; i < row; i++, at += step)
      for (let b = 0; b < size; b++) out[to++] = raw[at + b] as number;
    for (let d = last - 1; d >= 0; d--) {
      from += (stride[d] as number) * size;
      if (++(index[d] as number) < (shape[d] as number)) break;
      from -= (stride[d] as number) * size * (shape[d] as number);
      index[d] = 0;
    }
  }
  return out;
}

/** The numbers of a stored tensor, as doubles or floats wide enough to hold them. */
export function widen({ dtype, bytes }: Pick<StoredTensor, "dtype" | "bytes">): Float32Array | Float64Array {
  const own = new Uint8Array(bytes).buffer; // aligned; slice() of a Buffer would be a view
  switch (dtype) {
    case "F64":
      return new Float64Array(own);
    case "F32":
      return new Float32Array(own);
    case "F16":
      return halvesTo(new Uint16Array(own));
    case "BF16":
      return new Float32Array(Uint32Array.from(new Uint16Array(own), (b) => b << 16).buffer);
    case "I64":
      return Float64Array.from(new BigInt64Array(own), Number);
    case "I32":
      return Float64Array.from(new Int32Array(own));
    case "I16":
      return Float32Array.from(new Int16Array(own));
    case "I8":
      return Float32Array.from(new Int8Array(own));
    default:
      return Float32Array.from(bytes);
  }
}
