import { WeightsError } from "../errors.ts";
import { strictJson } from "./json.ts";
import { countOf, STORED_BYTES, type StoredType, whole } from "./stored.ts";

export const MAX_HEADER = 100_000_000;

export interface HeaderEntry {
  readonly dtype: StoredType;
  readonly shape: number[];
  /** Relative to the first byte behind the header. */
  readonly begin: number;
  readonly end: number;
}

/** The header of a .safetensors file whose data are `length` bytes long, checked: {name: {dtype, shape, data_offsets}}. */
export function parseHeader(
  bytes: Uint8Array,
  length: number,
  file: string,
): { entries: Map<string, HeaderEntry>; metadata: Record<string, string> } {
  const fail = (why: string): never => {
    throw new WeightsError(`${file}: not a safetensors file: ${why}`);
  };
  let header: unknown;
  try {
    header = strictJson(new TextDecoder("utf-8", { fatal: true }).decode(bytes), 3);
  } catch (error) {
    fail(`its header is not JSON (${(error as Error).message.slice(0, 200)})`);
  }
  if (typeof header !== "object" || header === null || Array.isArray(header)) fail("its header is not an object");
  const entries = new Map<string, HeaderEntry>();
  let metadata: Record<string, string> = {};
  const spans: [number, number][] = [];
  for (const [name, value] of Object.entries(header as Record<string, unknown>)) {
    const key = name.length > 200 ? `${name.slice(0, 200)}…` : name;
    if (typeof value !== "object" || value === null) fail(`"${key}" is ${JSON.stringify(value).slice(0, 80)}`);
    if (name === "__metadata__") {
      metadata = Object.fromEntries(Object.entries(value as object).map(([k, v]) => [k, text(v)]));
      continue;
    }
    const { dtype, shape, data_offsets: span } = value as Record<string, unknown>;
    if (typeof dtype !== "string" || !Object.hasOwn(STORED_BYTES, dtype))
      fail(`"${key}" has dtype ${text(dtype).slice(0, 40)}`);
    const count = countOf(shape) ?? fail(`"${key}" has no shape`);
    if (!Array.isArray(span) || span.length !== 2 || !span.every(whole)) fail(`"${key}" has no data_offsets`);
    const [begin, end] = span as [number, number];
    const wanted = count * STORED_BYTES[dtype as StoredType];
    if (end - begin !== wanted || end > length)
      fail(`"${key}" ${dtype} [${shape}] takes ${wanted} bytes, its offsets are ${begin} to ${end} of ${length}`);
    if (wanted) spans.push([begin, end]);
    entries.set(name, { dtype: dtype as StoredType, shape: shape as number[], begin, end });
  }
  let at = 0;
  for (const [begin, end] of spans.sort((a, b) => a[0] - b[0])) {
    if (begin < at) fail("two of its tensors overlap");
    if (begin > at) fail(`bytes ${at} to ${begin} belong to no tensor`);
    at = end;
  }
  if (at !== length) fail(`its last ${length - at} bytes belong to no tensor`);
  return { entries, metadata };
}

export const text = (v: unknown): string => (typeof v === "string" ? v : (JSON.stringify(v) ?? "nothing"));

/** Length and header of a .safetensors file, tensors in the order given; padded so that the data are aligned. */
export function formatHeader(
  tensors: Iterable<{
    readonly name: string;
    readonly dtype: StoredType;
    readonly shape: readonly number[];
    readonly bytes: number;
  }>,
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  let at = 0;
  const header: [string, unknown][] = Object.keys(metadata).length ? [["__metadata__", metadata]] : [];
  for (const { name, dtype, shape, bytes } of tensors) {
    if (name === "__metadata__") throw new WeightsError(`safetensors: no tensor can be named ${name}`);
    header.push([name, { dtype, shape, data_offsets: [at, at + bytes] }]);
    at += bytes;
  }
  const text = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const out = new Uint8Array(8 + Math.ceil(text.length / 8) * 8).fill(0x20);
  new DataView(out.buffer).setBigUint64(0, BigInt(out.length - 8), true);
  out.set(text, 8);
  return out;
}
