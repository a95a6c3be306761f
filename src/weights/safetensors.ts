import { WeightsError } from "../errors.ts";
import { formatHeader, MAX_HEADER, parseHeader } from "./safetensors_header.ts";
import type { StoredTensor, StoredType } from "./stored.ts";

export { type StoredTensor, type StoredType, widen } from "./stored.ts";

export interface SafetensorsFile {
  readonly names: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  entry(name: string): StoredTensor;
}

/**
 * Reads a .safetensors file: 8-byte length n, n bytes of JSON {name: {dtype, shape, data_offsets}}, then the data.
 * Every size is checked against the file before anything is used.
 */
export function parseSafetensors(file: Uint8Array, name = "safetensors"): SafetensorsFile {
  const fail = (why: string): never => {
    throw new WeightsError(`${name}: not a safetensors file: ${why}`);
  };
  if (file.length < 8) fail(`${file.length} bytes, at least 8 expected`);
  const length = Number(new DataView(file.buffer, file.byteOffset, 8).getBigUint64(0, true));
  if (length > MAX_HEADER || 8 + length > file.length)
    fail(`its header claims ${length} bytes, the file has ${file.length}`);
  const data = file.subarray(8 + length);
  const { entries, metadata } = parseHeader(file.subarray(8, 8 + length), data.length, name);
  return {
    names: [...entries.keys()],
    metadata,
    entry(key) {
      const { dtype, shape, begin, end } = entries.get(key) ?? fail(`it has no tensor "${key}"`);
      return { dtype, shape, bytes: data.subarray(begin, end) };
    },
  };
}

/** The bytes of a .safetensors file. Tensors keep the order given; the header is padded so that data are aligned. */
export function formatSafetensors(
  tensors: Readonly<Record<string, { dtype: StoredType; shape: readonly number[]; bytes: Uint8Array }>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const list = Object.entries(tensors);
  const head = formatHeader(
    list.map(([name, { dtype, shape, bytes }]) => ({ name, dtype, shape, bytes: bytes.length })),
    metadata,
  );
  const out = new Uint8Array(list.reduce((sum, [, { bytes }]) => sum + bytes.length, head.length));
  out.set(head);
  let offset = head.length;
  for (const [, { bytes }] of list) {
    out.set(bytes, offset);
    offset += bytes.length;
  }
  return out;
}
