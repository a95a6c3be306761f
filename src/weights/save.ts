import { writeWhole } from "#files";
import { WeightsError } from "../errors.ts";
import { Tensor } from "../tensor/tensor.ts";
import { convert, isFloat } from "./convert.ts";
import type { Weights } from "./open.ts";
import { formatHeader } from "./safetensors_header.ts";
import type { ReadOptions } from "./source.ts";
import { countOf, STORED_BYTES, type StoredType, type TensorInfo } from "./stored.ts";

export interface SaveOptions extends ReadOptions {
  /** Of floating numbers, or of each by its name here; integers stay. Without it numbers stay as they are, but bf16 becomes f32. */
  dtype?: "f32" | "f16" | ((name: string, info: TensorInfo) => "f32" | "f16" | undefined);
  /** From a name here to the one in the file; undefined leaves the tensor out. */
  rename?(name: string): string | undefined;
  metadata?: Readonly<Record<string, string>>;
}

interface Item extends TensorInfo {
  readonly name: string;
  read(): Promise<Uint8Array>;
}

/**
 * Writes a .safetensors file, one tensor in memory at a time, whole or not at all: from an open weights file, or from
 * tensors on the GPU. Rounding is to the nearest; a number that f16 cannot hold is an error.
 */
export async function saveWeights(
  path: string,
  from: Weights | Readonly<Record<string, Tensor>>,
  { dtype, rename = (name) => name, metadata = {}, signal, onProgress }: SaveOptions = {},
): Promise<void> {
  const target = (name: string, stored: TensorInfo): StoredType => {
    if (!isFloat(stored.dtype)) return stored.dtype;
    const wanted = typeof dtype === "function" ? dtype(name, stored) : dtype;
    return wanted ? (wanted === "f16" ? "F16" : "F32") : stored.dtype === "BF16" ? "F32" : stored.dtype;
  };
  const items = new Map<string, Item>();
  const put = (name: string, stored: TensorInfo, read: () => Promise<Uint8Array>): void => {
    const ours = rename(name);
    if (ours === undefined) return;
    if (items.has(ours)) throw new WeightsError(`saveWeights: two tensors are to be named "${ours}"`);
    const to = target(name, stored);
    items.set(ours, {
      name: ours,
      dtype: to,
      shape: stored.shape,
      async read() {
        const tensor = { dtype: stored.dtype, shape: [...stored.shape], bytes: await read() };
        return to === stored.dtype ? tensor.bytes : convert(tensor, to as "F32" | "F16", `${path}: ${name}`);
      },
    });
  };
  if (isWeights(from))
    for (const name of from.names) put(name, from.info(name), async () => (await from.read(name)).bytes);
  else
    for (const [name, t] of Object.entries(from)) {
      if (t.dtype !== "f32" && t.dtype !== "f16")
        throw new WeightsError(`saveWeights: ${name} is ${t.dtype}; f32 or f16 expected`);
      const stored = t.dtype === "f16" ? "F16" : "F32";
      put(name, { dtype: stored, shape: t.shape }, async () => new Uint8Array(await t.readRaw()));
    }

  const list = [...items.values()];
  const sizes = list.map(({ dtype, shape }) => (countOf(shape) as number) * STORED_BYTES[dtype]);
  const total = sizes.reduce((a, b) => a + b, 0);
  await writeWhole(path, async (append) => {
    await append(
      formatHeader(
        list.map((item, i) => ({ ...item, bytes: sizes[i] as number })),
        metadata,
      ),
    );
    let done = 0;
    for (const [i, item] of list.entries()) {
      signal?.throwIfAborted();
      const bytes = await item.read();
      if (bytes.length !== sizes[i])
        throw new Error(`internal: ${item.name} has ${bytes.length} bytes, not ${sizes[i]}`);
      await append(bytes);
      onProgress?.({ done: (done += bytes.length), total });
    }
  });
}

const isWeights = (from: Weights | Readonly<Record<string, Tensor>>): from is Weights =>
  typeof (from as Weights).read === "function" && Array.isArray((from as Weights).names) && !(from instanceof Tensor);
