import type { Readable, ReadOptions } from "./source.ts";
import type { StoredTensor, TensorInfo } from "./stored.ts";

export type WeightsFormat = "safetensors" | "torch-zip" | "torch-legacy" | "edm-pickle" | "npz" | "npy";

/** Plain data: what a checkpoint says beside its tensors. Objects have no prototype. */
export type Plain = null | boolean | number | bigint | string | readonly Plain[] | { readonly [key: string]: Plain };

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
   * What else the file says. Torch: the checkpoint's other entries, without tensors. EDM pickle:
   * `class_name`, `init_args`, `init_kwargs`, `state` (plain attributes), `modules` (the same of `model`), and the file's other entries.
   */
  readonly about: { readonly [key: string]: Plain };
  /** Which part of the checkpoint the tensors are: "" the whole file, "ema.shadow_params", "model", "state_dict", "ema" … */
  readonly part: string;
  has(name: string): boolean;
  info(name: string): TensorInfo;
  read(name: string): Promise<StoredTensor>;
  close(): Promise<void>;
}

/**
 * Opens a weights file: safetensors (or the index of its shards), torch zip and legacy checkpoints, EDM pickles, npz, npy.
 * Reads the header only. No code of the file is ever run. Throws a WeightsError that says why when it is none of these,
 * damaged, or of bad intent.
 */
export async function openWeights(_from: Readable, _options: OpenWeightsOptions = {}): Promise<Weights> {
  throw new Error("internal: openWeights");
}
