import { readBytes, writeBytes } from "#platform";
import { WeightsError } from "../errors.ts";
import type { Flat } from "../tensor/flat.ts";
import { type Tensor, uploadRaw } from "../tensor/tensor.ts";
import { formatSafetensors, parseSafetensors } from "../weights/safetensors.ts";
import type { HostState } from "./host_adam.ts";
import type { LossScale } from "./loss_scale.ts";
import type { Optimiser } from "./optimiser.ts";
import type { Training } from "./trainer.ts";

const PARTS = ["params", "m", "v", "ema"] as const;

/** Names in the file, and tensors: the optimiser's four parts, and the judge's if there is one. */
function* entries({ optimiser, judge }: Pick<Training, "optimiser" | "judge">): Generator<[string, Tensor]> {
  const both: [string, Optimiser | undefined][] = [
    ["", optimiser],
    ["judge.", judge],
  ];
  for (const [prefix, of] of both)
    if (of)
      for (const part of PARTS)
        for (const [name, t] of Object.entries((of[part] as Flat).tree)) yield [`${prefix}${part}/${name}`, t];
}

/** What a checkpoint says of itself, beside what the caller had it keep. */
export interface CheckpointState {
  readonly step: number;
  readonly seconds: number;
  readonly scalars?: HostState;
  readonly lossScale?: LossScale;
}

/** Everything that a run needs to go on as if it had not stopped, and what `more` says, as the bytes of a file. */
export async function checkpointBytes(run: Training, more: object = {}): Promise<Uint8Array> {
  const tensors: Record<string, { dtype: "F32"; shape: readonly number[]; bytes: Uint8Array }> = {};
  for (const [name, t] of entries(run))
    tensors[name] = { dtype: "F32", shape: t.shape, bytes: new Uint8Array(await t.readRaw()) };
  const { step, seconds, scalars, lossScale } = run;
  const state: CheckpointState = {
    ...{ step, seconds, ...(lossScale && { lossScale }) },
    ...(Object.keys(scalars.values).length && { scalars }),
  };
  return formatSafetensors(tensors, { state: JSON.stringify({ ...state, ...more }) });
}

/** Written whole or not at all. */
export const saveCheckpoint = async (path: string, run: Training, more: object = {}): Promise<void> =>
  writeBytes(path, await checkpointBytes(run, more));

/** Puts a training of the same recipe where the checkpoint stood. Of a path, an address, a Blob or bytes. */
export async function loadCheckpoint(source: string | URL | Blob | Uint8Array, run: Training): Promise<void> {
  const [bytes, path] = await bytesOf(source);
  const file = parseSafetensors(bytes, path);
  const { step, seconds, scalars, lossScale } = stateOf<CheckpointState>(file.metadata.state, path);
  const wanted = Object.keys(run.scalars.values).join();
  if (Object.keys(scalars?.values ?? {}).join() !== wanted)
    throw new WeightsError(
      `${path}: expects the scalars ${wanted || "none"}, got ${Object.keys(scalars?.values ?? {}).join() || "none"}; give the settings it was trained with`,
    );
  for (const [name, t] of entries(run)) {
    const { dtype, shape, bytes } = file.entry(name);
    if (dtype !== "F32" || shape.join() !== t.shape.join())
      throw new WeightsError(
        `${path}: ${name} expects F32 [${t.shape}], got ${dtype} [${shape}]; give the settings it was trained with`,
      );
    uploadRaw(t, bytes.slice());
  }
  Object.assign(run, { step, seconds, ...(scalars && { scalars }), ...(lossScale && { lossScale }) });
}

/** What a checkpoint says of itself, read without a GPU. */
export async function checkpointState<T extends object>(source: string | URL | Blob | Uint8Array): Promise<T> {
  const [bytes, path] = await bytesOf(source);
  return stateOf<T>(parseSafetensors(bytes, path).metadata.state, path);
}

const bytesOf = async (source: string | URL | Blob | Uint8Array): Promise<[Uint8Array, string]> =>
  source instanceof Uint8Array
    ? [source, "checkpoint"]
    : [await readBytes(source), source instanceof Blob ? "checkpoint" : String(source)];

function stateOf<T>(text: string | undefined, path: string): T {
  try {
    return JSON.parse(text ?? "") as T;
  } catch {
    throw new WeightsError(`${path}: not a checkpoint of proxel train: it has no state, or one cut short`);
  }
}
