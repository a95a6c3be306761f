import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseSafetensors, widen } from "../../src/weights/safetensors.ts";

/** Where reference outputs of the official PyTorch code may lie: beside the checkout, or where PROXEL_SHARED says. */
const SHARED = process.env.PROXEL_SHARED ?? fileURLToPath(new URL("../../../shared", import.meta.url));

export interface Stored {
  shape: number[];
  data: Float64Array;
}
export const shared = (path: string): string | undefined => {
  const full = `${SHARED}/${path}`;
  return existsSync(full) ? full : undefined;
};

/** The tensors of a reference file, or undefined (and a line that says so) where there is none. */
export function stored(path: string): Map<string, Stored> | undefined {
  const full = shared(path);
  if (!full) {
    console.log(`skipped: no reference file ${path}; set PROXEL_SHARED to a folder that has it`);
    return undefined;
  }
  const file = parseSafetensors(new Uint8Array(readFileSync(full)));
  return new Map(
    file.names.map((name) => [
      name,
      { shape: file.entry(name).shape, data: Float64Array.from(widen(file.entry(name))) },
    ]),
  );
}

/** A golden case: its JSON and its tensors (`NAME.safetensors`, or `NAME.io.safetensors` with `io`). */
export function golden(
  name: string,
): { json: Record<string, unknown>; tensors: Map<string, Stored>; io: Map<string, Stored> | undefined } | undefined {
  const tensors = stored(`golden/${name}.safetensors`);
  if (!tensors) return undefined;
  const io = shared(`golden/${name}.io.safetensors`) ? stored(`golden/${name}.io.safetensors`) : undefined;
  return { json: JSON.parse(readFileSync(shared(`golden/${name}.json`) as string, "utf8")), tensors, io };
}

/** NCHW numbers as NHWC. Other ranks pass. */
export function nhwc({ shape, data }: Stored): Stored {
  if (shape.length !== 4) return { shape, data };
  const [N, C, H, W] = shape as [number, number, number, number];
  const out = new Float64Array(data.length);
  for (let n = 0; n < N; n++)
    for (let c = 0; c < C; c++)
      for (let i = 0; i < H * W; i++) out[(n * H * W + i) * C + c] = data[(n * C + c) * H * W + i] as number;
  return { shape: [N, H, W, C], data: out };
}
