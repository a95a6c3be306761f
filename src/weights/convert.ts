import { WeightsError } from "../errors.ts";
import { toHalf } from "../tensor/half.ts";
import { type StoredTensor, type StoredType, widen } from "./stored.ts";

const FLOATS: readonly StoredType[] = ["F64", "F32", "F16", "BF16"];
export const isFloat = (dtype: StoredType): boolean => FLOATS.includes(dtype);

const bytesOf = (a: Float32Array | Float64Array | Uint16Array): Uint8Array =>
  new Uint8Array(a.buffer, a.byteOffset, a.byteLength);

/** The bytes of a stored tensor as f32, or rounded to the nearest f16. What is stored so already is not copied. */
export function convert(tensor: StoredTensor, to: "F32" | "F16", who: string): Uint8Array {
  if (tensor.dtype === to) return tensor.bytes;
  const { bytes } = tensor;
  const wide =
    tensor.dtype === "F32" && bytes.byteOffset % 4 === 0
      ? new Float32Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length / 4)
      : widen(tensor);
  if (to === "F32") return bytesOf(wide instanceof Float32Array ? wide : Float32Array.from(wide));
  const half = new Uint16Array(wide.length);
  for (let i = 0; i < half.length; i++) {
    const x = wide[i] as number;
    const h = toHalf(x);
    if ((h & 0x7fff) === 0x7c00 && Number.isFinite(x))
      throw new WeightsError(`${who}: ${x} is more than f16 can hold (65504); keep it in f32`);
    half[i] = h;
  }
  return bytesOf(half);
}
