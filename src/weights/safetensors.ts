import { WeightsError } from "../errors.ts";
import { STORED_BYTES as BYTES, type StoredTensor, type StoredType } from "./stored.ts";

export { type StoredTensor, type StoredType, widen } from "./stored.ts";

const MAX_HEADER = 100_000_000;

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
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(file.subarray(8, 8 + length)));
  } catch (error) {
    fail(`its header is not JSON (${(error as Error).message})`);
  }
  if (typeof header !== "object" || header === null || Array.isArray(header)) fail("its header is not an object");
  const data = file.subarray(8 + length);
  const entries = new Map<string, StoredTensor>();
  let metadata: Record<string, string> = {};
  const spans: [number, number][] = [];
  for (const [key, value] of Object.entries(header as Record<string, unknown>)) {
    if (typeof value !== "object" || value === null) fail(`"${key}" is ${JSON.stringify(value)}`);
    if (key === "__metadata__") {
      metadata = Object.fromEntries(Object.entries(value as object).map(([k, v]) => [k, String(v)]));
      continue;
    }
    const {
      dtype,
      shape,
      data_offsets: span,
    } = value as { dtype: StoredType; shape: number[]; data_offsets: [number, number] };
    const whole = (n: unknown) => Number.isSafeInteger(n) && (n as number) >= 0;
    if (!Object.hasOwn(BYTES, dtype)) fail(`"${key}" has dtype ${String(dtype)}`);
    if (!Array.isArray(shape) || !shape.every(whole)) fail(`"${key}" has no shape`);
    if (!Array.isArray(span) || span.length !== 2 || !span.every(whole)) fail(`"${key}" has no data_offsets`);
    const [begin, end] = span;
    const wanted = shape.reduce((a, b) => a * b, 1) * BYTES[dtype];
    if (end - begin !== wanted || end > data.length)
      fail(`"${key}" ${dtype} [${shape}] takes ${wanted} bytes, its offsets are ${begin} to ${end} of ${data.length}`);
    if (wanted) spans.push([begin, end]);
    entries.set(key, { dtype, shape, bytes: data.subarray(begin, end) });
  }
  spans.sort((a, b) => a[0] - b[0]);
  spans.forEach(([begin], i) => {
    if (i > 0 && begin < (spans[i - 1] as [number, number])[1]) fail("two of its tensors overlap");
  });
  return {
    names: [...entries.keys()],
    metadata,
    entry(key) {
      return entries.get(key) ?? fail(`it has no tensor "${key}"`);
    },
  };
}

/** The bytes of a .safetensors file. Tensors keep the order given; the header is padded so that data are aligned. */
export function formatSafetensors(
  tensors: Readonly<Record<string, { dtype: StoredType; shape: readonly number[]; bytes: Uint8Array }>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  let at = 0;
  const header: [string, unknown][] = Object.keys(metadata).length ? [["__metadata__", metadata]] : [];
  for (const [name, { dtype, shape, bytes }] of Object.entries(tensors)) {
    header.push([name, { dtype, shape, data_offsets: [at, at + bytes.length] }]);
    at += bytes.length;
  }
  let text = JSON.stringify(Object.fromEntries(header));
  const encoder = new TextEncoder();
  text = text.padEnd(text.length + ((8 - (encoder.encode(text).length % 8)) % 8), " ");
  const head = encoder.encode(text);
  const out = new Uint8Array(8 + head.length + at);
  new DataView(out.buffer).setBigUint64(0, BigInt(head.length), true);
  out.set(head, 8);
  let offset = 8 + head.length;
  for (const { bytes } of Object.values(tensors)) {
    out.set(bytes, offset);
    offset += bytes.length;
  }
  return out;
}
