import type { Plain } from "./plain.ts";
import type { Source } from "./source.ts";
import type { View } from "./stored.ts";

export type WeightsFormat = "safetensors" | "torch-zip" | "torch-legacy" | "edm-pickle" | "npz" | "npy";

/** What a reader of one format makes of a file: where each tensor lies, none of them read. */
export interface Contents {
  readonly format: WeightsFormat;
  readonly views: ReadonlyMap<string, View>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly about: Readonly<Record<string, Plain>>;
  readonly part: string;
  /** Other files that it opened. */
  readonly shards?: readonly Source[];
}
