import { readBytes, writeBytes } from "#platform";
import { WeightsError } from "../errors.ts";
import type { Flat } from "../tensor/flat.ts";
import { type Tensor, uploadRaw } from "../tensor/tensor.ts";
import { formatSafetensors, parseSafetensors } from "../weights/safetensors.ts";
import type { Optimiser } from "./optimiser.ts";

const PARTS = ["params", "m", "v", "ema"] as const;

/** Writes everything a run needs to go on as if it had not stopped: the optimiser's four parts and what `state` says. */
export async function saveCheckpoint(path: string, optimiser: Optimiser, state: object): Promise<void> {
  const tensors: Record<string, { dtype: "F32"; shape: readonly number[]; bytes: Uint8Array }> = {};
  for (const part of PARTS)
    for (const [name, t] of Object.entries((optimiser[part] as Flat).tree))
      tensors[`${part}/${name}`] = { dtype: "F32", shape: t.shape, bytes: new Uint8Array(await t.readRaw()) };
  await writeBytes(path, formatSafetensors(tensors, { state: JSON.stringify(state) }));
}

/** Reads it back, into an optimiser of the same network. */
export async function loadCheckpoint(path: string, optimiser: Optimiser): Promise<void> {
  const file = parseSafetensors(await readBytes(path), path);
  for (const part of PARTS)
    for (const [name, t] of Object.entries((optimiser[part] as Flat).tree)) {
      const { dtype, shape, bytes } = file.entry(`${part}/${name}`);
      if (dtype !== "F32" || shape.join() !== t.shape.join())
        throw new WeightsError(
          `${path}: ${part}/${name} expects F32 [${t.shape}], got ${dtype} [${shape}]; give the settings it was trained with`,
        );
      uploadRaw(t as Tensor, bytes.slice());
    }
}

/** What a checkpoint says of itself, read without a GPU. */
export async function checkpointState<T extends object>(path: string): Promise<T> {
  const text = parseSafetensors(await readBytes(path), path).metadata.state;
  try {
    return JSON.parse(text ?? "") as T;
  } catch {
    throw new WeightsError(`${path}: not a checkpoint of proxel train: it has no state, or one cut short`);
  }
}
