import { WeightsError } from "../errors.ts";
import type { Params } from "../nets/net.ts";
import type { Ud2mOptions } from "../solvers/ud2m.ts";
import { dispose } from "../tensor/scope.ts";
import { paramBytes } from "../weights/params.ts";
import type { SafetensorsFile } from "../weights/safetensors.ts";
import { type LoraOptions, loadLora } from "./lora.ts";

/** How the model is to be sampled, as its file says: everything but the numbers that were learned. */
export type Ud2mSampling = Omit<Ud2mOptions, "scalars" | "times">;

/**
 * A trained UD2M as the bytes of a .safetensors file: adapters, layers trained in full and learned numbers, not the base.
 * `params` may hold more; what was added to RAM (`ram.…`) is left out, as RAM is saved by itself.
 */
export function ud2mBytes(
  params: Params,
  scalars: Readonly<Record<string, number>>,
  {
    lora: { rank, alpha = rank, init = "standard" },
    sampling = {},
    metadata = {},
  }: { lora: LoraOptions; sampling?: Ud2mSampling; metadata?: Readonly<Record<string, string>> },
): Promise<Uint8Array> {
  const own = Object.entries(params).filter(([name]) => !name.startsWith("ram."));
  return paramBytes(Object.fromEntries(own), {
    metadata: {
      ...metadata,
      ...{ method: "ud2m", rank: `${rank}`, alpha: `${alpha}`, scaling: `${alpha / rank}`, init },
      // in float64, as they were trained; the file's tensors of their names are for other readers
      scalars: JSON.stringify(scalars),
      sampling: JSON.stringify(sampling),
    },
  });
}

export interface LoadedUd2m extends Disposable {
  /** The base with the adapters: full parameters, which share what was not adapted with the base. */
  merge(): Params;
  readonly adapters: Params;
  /** For the solver `ud2m`, learned numbers included. */
  readonly solver: Ud2mOptions;
}

/** How to sample, from a file's metadata: for the solver `ud2m`, learned numbers included. */
export function ud2mSampling(metadata: Readonly<Record<string, string>>, who = "ud2m"): Ud2mOptions {
  const { method, scalars, sampling } = metadata;
  if (method !== "ud2m" || !scalars || !sampling)
    throw new WeightsError(
      `${who}: expected a file that UD2M's training wrote, got one of method ${method ?? "unknown"}`,
    );
  return { ...(JSON.parse(sampling) as Ud2mOptions), scalars: JSON.parse(scalars) as Record<string, number> };
}

/** Reads it back, for the base that it was trained on. */
export function loadUd2m(base: Params, file: SafetensorsFile, who = "loadUd2m"): LoadedUd2m {
  const solver = ud2mSampling(file.metadata, who);
  const { adapters, flat, merge } = loadLora(base, file);
  return {
    ...{ adapters, solver, merge: () => merge(adapters) },
    [Symbol.dispose]: () => dispose([adapters, flat.chunks]),
  };
}
