import { widen } from "./stored.ts";
import { numpyType } from "./torch_storage.ts";
import { is, type Opaque, type Value } from "./values.ts";

/** Plain data: what a checkpoint says beside its tensors. Objects have no prototype. */
export type Plain = null | boolean | number | bigint | string | readonly Plain[] | { readonly [key: string]: Plain };

const DEPTH = 12;
/** Of all that is told of one file: what is in it may be in it many times. */
export const NODES = 10_000;
const TEXT = 10_000;

/** A pickle's value as plain data, without tensors and bytes. What is too deep or too much becomes "…". */
export async function plain(value: Value, budget = { nodes: NODES }, depth = 0): Promise<Plain | undefined> {
  if (typeof value === "string") return value.length > TEXT ? `${value.slice(0, TEXT)}…` : value;
  if (value === null || typeof value !== "object") return value;
  if (depth > DEPTH || budget.nodes-- <= 0) return "…";
  const deeper = (v: Value) => plain(v, budget, depth + 1);
  if (value instanceof Map) return object(value);
  if (Array.isArray(value) || value instanceof Set) {
    const out: Plain[] = [];
    for (const item of value) {
      if (budget.nodes-- <= 0) break;
      const got = await deeper(item);
      if (got !== undefined) out.push(got);
    }
    return out;
  }
  if (is(value, "global")) return value.name;
  if (!is(value, "opaque")) return undefined;
  if (value.entries) return object(value.entries);
  if (/^numpy\.(_?core)\.multiarray\.scalar$/.test(value.of)) return scalar(value);
  if (value.state instanceof Map) return object(value.state);
  if (Array.isArray(value.args) && value.args.length === 1 && typeof value.args[0] === "string") return value.args[0];
  return `<${value.of}>`;

  async function object(map: Map<Value, Value>): Promise<Plain> {
    const out: Record<string, Plain> = Object.create(null);
    for (const [key, item] of map) {
      if (budget.nodes-- <= 0) break;
      const got = await deeper(item);
      if (got !== undefined && (typeof key !== "object" || key === null)) out[String(key)] = got;
    }
    return out;
  }
}

/** numpy.float64(…): a dtype and its bytes. */
async function scalar({ args }: Opaque): Promise<Plain | undefined> {
  const [dtype, bytes] = Array.isArray(args) ? args : [];
  if (!is(bytes, "bytes") || bytes.data.length > 16) return undefined;
  try {
    const raw = await bytes.data.source.read(bytes.data.at, bytes.data.length);
    return widen({ dtype: numpyType(dtype, "scalar"), bytes: raw })[0];
  } catch {
    return undefined; // a type we do not know, or too few bytes for it: it names no tensor
  }
}
