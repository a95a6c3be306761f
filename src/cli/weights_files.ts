/** What the actions of `proxel weights` share: options, the file that is read, the file that is written. */
import { existsSync } from "node:fs";
import { dirname, extname } from "node:path";
import { ProxelError } from "../errors.ts";
import { checkOutput } from "../io/picture.ts";
import { openWeights, type Weights } from "../weights/open.ts";
import { isFolder, oneOf, type parse } from "./options.ts";
import { type Progress, progress } from "./progress.ts";

export const OPTIONS = {
  out: { type: "string", short: "o" },
  dtype: { type: "string" },
  ema: { type: "boolean" },
  "no-ema": { type: "boolean" },
  input: { type: "string" },
  config: { type: "string" },
  force: { type: "boolean", short: "f" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

export type WeightsValues = ReturnType<typeof parse<typeof OPTIONS>>["values"];

/** Opens the file, with a bar while it is downloaded, where its server sends it only as a whole. */
export async function open(file: string, values: WeightsValues, signal: AbortSignal): Promise<Weights> {
  if (values.ema && values["no-ema"]) throw new TypeError("--ema and --no-ema: give one of them");
  const bar = bytesBar("download");
  let opened = false; // what follows has a bar of its own
  try {
    return await openWeights(file, {
      ema: !values["no-ema"],
      signal,
      onProgress: (told) => opened || bar.onProgress(told),
    });
  } finally {
    opened = true;
    bar.stop();
  }
}

/** What --dtype asks for. */
export const dtypeOf = (values: WeightsValues): "f16" | "f32" | undefined =>
  values.dtype === undefined ? undefined : oneOf("--dtype", values.dtype, ["f16", "f32"] as const);

/** Refuses an --out that could not be written later. */
export async function target(values: WeightsValues): Promise<string> {
  const { out } = values;
  if (!out) throw new TypeError("say where it goes: -o OUT.safetensors");
  if (extname(out) !== ".safetensors") throw new TypeError(`-o ${out}: a name that ends in .safetensors was expected`);
  if (isFolder(out)) throw new ProxelError(`${out}: this is a folder; a file was expected`);
  if (!existsSync(dirname(out)))
    throw new ProxelError(`${out}: the folder ${dirname(out)} does not exist; create it first`);
  await checkOutput(out, { force: values.force ?? false });
  return out;
}

/** A bar of megabytes. */
export function bytesBar(label: string): { onProgress(p: { done: number; total: number }): void; stop(): void } {
  let bar: Progress | undefined;
  return {
    onProgress({ done, total }) {
      bar ??= progress(label, Math.ceil(total / 1e6));
      bar.update(Math.ceil(done / 1e6), "MB");
    },
    stop: () => bar?.stop(),
  };
}
