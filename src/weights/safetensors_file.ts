import { WeightsError } from "../errors.ts";
import type { Contents } from "./contents.ts";
import { strictJson } from "./json.ts";
import { MAX_HEADER, parseHeader, text } from "./safetensors_header.ts";
import type { Source } from "./source.ts";
import { rowMajor, type View } from "./stored.ts";

const MAX_SHARDS = 1000;
const MAX_INDEX = 1 << 26;

/** A .safetensors file by its header alone. */
export async function readSafetensors(source: Source): Promise<Contents> {
  const fail = (why: string): never => {
    throw new WeightsError(`${source.name}: not a safetensors file: ${why}`);
  };
  if (source.size < 8) fail(`${source.size} bytes, at least 8 expected`);
  const first = await source.read(0, 8);
  const length = Number(new DataView(first.buffer, first.byteOffset, 8).getBigUint64(0, true));
  if (length > MAX_HEADER || 8 + length > source.size)
    fail(`its header claims ${length} bytes, the file has ${source.size}`);
  const header = await source.read(8, length);
  const { entries, metadata } = parseHeader(header, source.size - 8 - length, source.name);
  const views = new Map<string, View>();
  for (const [name, { dtype, shape, begin, end }] of entries) {
    const data = { source, at: 8 + length + begin, length: end - begin };
    views.set(name, { dtype, shape, stride: rowMajor(shape), offset: 0, data });
  }
  return { format: "safetensors", views, metadata, about: {}, part: "" };
}

/** *.safetensors.index.json: {weight_map: {tensor: file}} and the files beside it. */
export async function readShards(source: Source): Promise<Contents> {
  const fail = (why: string): never => {
    throw new WeightsError(`${source.name}: not an index of safetensors files: ${why}`);
  };
  if (source.size > MAX_INDEX) fail(`${source.size} bytes are too many`);
  let index: { weight_map?: unknown; metadata?: unknown } = {};
  try {
    index = strictJson(new TextDecoder().decode(await source.read(0, source.size)), 4) as typeof index;
  } catch (error) {
    fail(`it is not JSON (${(error as Error).message.slice(0, 200)})`);
  }
  const map = index?.weight_map;
  if (typeof map !== "object" || map === null || Array.isArray(map)) return fail("it has no weight_map");
  const files = new Set<unknown>(Object.values(map));
  if (files.size > MAX_SHARDS) fail(`${files.size} files are too many`);
  if (!source.sibling) return fail("it came without the files beside it; open it by path or address");
  const metadata: Record<string, string> = Object.create(null);
  for (const [key, value] of Object.entries((index.metadata ?? {}) as object)) metadata[key] = text(value);
  const views = new Map<string, View>();
  const shards: Source[] = [];
  try {
    for (const file of files) {
      // a shard lies beside its index: no paths
      if (typeof file !== "string" || !/^(?!\.)[^/\\:%?#\0]+\.safetensors$/.test(file))
        return fail(`${JSON.stringify(file)?.slice(0, 80)} is no name of a shard`);
      const shard = await source.sibling(file);
      shards.push(shard);
      const contents = await readSafetensors(shard);
      Object.assign(metadata, contents.metadata);
      for (const [name, view] of contents.views) {
        if ((map as Record<string, unknown>)[name] !== file)
          fail(`${file} holds ${name}, which the index puts elsewhere`);
        views.set(name, view);
      }
    }
    const missing = Object.keys(map).filter((name) => !views.has(name));
    if (missing.length) fail(`its files lack ${missing.slice(0, 5).join(", ")}${missing.length > 5 ? ", …" : ""}`);
  } catch (error) {
    for (const shard of shards) await shard.close?.();
    throw error;
  }
  return { format: "safetensors", views, metadata, about: {}, part: "", shards };
}
