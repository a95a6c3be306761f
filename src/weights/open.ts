import { WeightsError } from "../errors.ts";
import { choose } from "./checkpoint.ts";
import type { Contents, WeightsFormat } from "./contents.ts";
import { readNpy, readNpz } from "./npz.ts";
import { unpickle } from "./pickle.ts";
import type { Budget } from "./pickle_stack.ts";
import type { Plain } from "./plain.ts";
import { readSafetensors, readShards } from "./safetensors_file.ts";
import { openSource, type Readable, type ReadOptions, type Source, within } from "./source.ts";
import { checkView, readView, type StoredTensor, type TensorInfo, type View } from "./stored.ts";
import { readTorchLegacy } from "./torch_legacy.ts";
import { readTorchZip } from "./torch_zip.ts";
import type { Bytes, Value } from "./values.ts";
import { readZip } from "./zip.ts";

export type { WeightsFormat } from "./contents.ts";
export type { Plain } from "./plain.ts";

export interface OpenWeightsOptions extends ReadOptions {
  /** Take the averaged weights where the file has them (default), or with `false` the trained ones. */
  ema?: boolean;
}

/** A weights file, open: names, types and shapes are known, the numbers are read when asked for. */
export interface Weights {
  /** Of the file, for messages. */
  readonly name: string;
  readonly format: WeightsFormat;
  /** Bytes of the file (of all shards). */
  readonly size: number;
  readonly names: readonly string[];
  /** `__metadata__` of a safetensors file; empty elsewhere. */
  readonly metadata: Readonly<Record<string, string>>;
  /**
   * What else the file says. Torch: the checkpoint's other entries, without tensors. A pickled module (EDM): also
   * `class_name`, `init_args`, `init_kwargs`, `state` (plain attributes) and `modules.model` (the same of its `model`).
   */
  readonly about: { readonly [key: string]: Plain };
  /** Which part of the checkpoint the tensors are: "" the whole file, "ema.shadow_params", "model", "state_dict", "ema" … */
  readonly part: string;
  has(name: string): boolean;
  info(name: string): TensorInfo;
  read(name: string): Promise<StoredTensor>;
  close(): Promise<void>;
}

/** Tensors may share and repeat what the file holds, but not unfold to more than this many times its size. */
const UNFOLDED = 8;
const ALLOWANCE = 1 << 24;

/**
 * Opens a weights file: safetensors (or the index of its shards), torch zip and legacy checkpoints, EDM pickles, npz, npy.
 * Reads the header only. No code of the file is ever run. Throws a WeightsError that says why when it is none of these,
 * damaged, or of bad intent. Abort by `signal`; `onProgress` is told of the bytes of tensors read, of those there are.
 */
export async function openWeights(from: Readable, options: OpenWeightsOptions = {}): Promise<Weights> {
  const source = await openSource(from, options);
  try {
    const contents = await readContents(source, options.ema ?? true);
    return weightsOf(source, contents, options);
  } catch (error) {
    await source.close?.();
    throw error;
  }
}

/** By the first bytes, never by the name. */
async function readContents(source: Source, ema: boolean): Promise<Contents> {
  const head = await source.read(0, Math.min(512, source.size));
  const begins = (...bytes: number[]) => bytes.every((b, i) => head[i] === b);
  const torch = async (format: WeightsFormat, value: Value): Promise<Contents> => ({
    format,
    metadata: {},
    ...(await choose(value, source.name, ema)),
  });
  // first, since the length of a header may look like the beginning of anything else
  const length = head.length >= 9 ? new DataView(head.buffer, head.byteOffset).getBigUint64(0, true) : 0n;
  if (head[8] === 0x7b && length <= source.size - 8) return readSafetensors(source);
  const nested = ({ data }: Bytes, budget: Budget) => readTorchLegacy(within(data), { budget }); // which may hold no other
  if (begins(0x50, 0x4b, 3, 4)) {
    const entries = await readZip(source);
    if ([...entries.keys()].some((name) => /(^|\/)data\.pkl$/.test(name)))
      return torch("torch-zip", await readTorchZip(source, entries, nested));
    return readNpz(entries);
  }
  if (head[0] === 0x80 && [0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20].every((b, i) => head[i + 2] === b))
    return torch("torch-legacy", await readTorchLegacy(source, { nested }));
  if (head[0] === 0x80 && (head[1] as number) <= 5)
    return torch("edm-pickle", (await unpickle(source, 0, { nested })).value);
  if (begins(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59)) return readNpy(source);
  if (head[8] === 0x7b) return readSafetensors(source);
  if (/^\s*\{/.test(String.fromCharCode(...head.subarray(0, 64)))) return readShards(source);
  throw new WeightsError(`${source.name}: ${otherwise(head)}`);
}

function otherwise(head: Uint8Array): string {
  const text = String.fromCharCode(...head);
  const known: [boolean, string][] = [
    [head.length === 0, "the file is empty"],
    [
      text.slice(257, 262) === "ustar",
      "a tar archive, as torch wrote before 0.1.10; open it in torch and save it again",
    ],
    [text.startsWith("\x1f\x8b"), "packed by gzip; unpack it first"],
    [text.startsWith("\x89HDF"), "an HDF5 file; convert it to safetensors first"],
    [text.startsWith("PK"), "an empty or split zip archive"],
    [/^\s*<(!doctype|html)/i.test(text), "a web page; was the download refused?"],
  ];
  return (
    known.find(([fits]) => fits)?.[1] ??
    "expected safetensors, a torch checkpoint, an EDM pickle, npz or npy; got none of them"
  );
}

function weightsOf(source: Source, contents: Contents, { onProgress }: OpenWeightsOptions): Weights {
  const { format, views, metadata, about, part, shards = [] } = contents;
  const size = shards.reduce((sum, shard) => sum + shard.size, source.size);
  let total = 0;
  const sizes = new Map<string, number>();
  for (const [name, view] of views) {
    const bytes = checkView(view, `${source.name}: ${name.slice(0, 200)}`);
    sizes.set(name, bytes);
    total += bytes;
    if (total > UNFOLDED * size + ALLOWANCE)
      throw new WeightsError(`${source.name}: refused: its ${size} bytes unfold to tensors of ${total} and more`);
  }
  const view = (name: string): View => {
    const found = views.get(name);
    if (!found) throw new WeightsError(`${source.name}: it has no tensor "${name}"`);
    return found;
  };
  let done = 0;
  return {
    name: source.name,
    format,
    size,
    names: [...views.keys()],
    metadata,
    about,
    part,
    has: (name) => views.has(name),
    info(name) {
      const { dtype, shape } = view(name);
      return { dtype, shape };
    },
    async read(name) {
      const tensor = await readView(view(name));
      done += sizes.get(name) as number;
      onProgress?.({ done: Math.min(done, total), total });
      return tensor;
    },
    async close() {
      for (const one of [source, ...shards]) await one.close?.();
    },
  };
}
