/** One mutant, opened and read whole: what came of it, and whether it broke a promise. */
import { WeightsError } from "../../src/errors.ts";
import { openWeights } from "../../src/weights/open.ts";
import type { Source } from "../../src/weights/source.ts";
import { countOf, STORED_BYTES } from "../../src/weights/stored.ts";

export const MAX_MS = 1000;
export const memoryLimit = (file: Uint8Array): number => 10 * file.length + (64 << 20);

export interface Outcome {
  /** Tensors read; undefined where the file was refused. */
  readonly tensors: number | undefined;
  readonly refused: string;
  readonly ms: number;
  /** Most memory seen at a read, and at the end. */
  readonly memory: number;
  /** A promise broken. */
  readonly broken: string | undefined;
}

const used = (): number => {
  const { heapUsed, external } = process.memoryUsage(); // external counts array buffers
  return heapUsed + external;
};

export async function trial(file: Uint8Array): Promise<Outcome> {
  const before = used();
  let memory = 0;
  const look = (): void => {
    memory = Math.max(memory, used() - before);
  };
  const source: Source = {
    name: "mutant",
    size: file.length,
    async read(at, length) {
      look();
      return file.slice(at, at + length);
    },
  };
  const start = performance.now();
  let tensors: number | undefined;
  let refused = "";
  let broken: string | undefined;
  try {
    const weights = await openWeights(source);
    tensors = 0;
    for (const name of weights.names) {
      const { dtype, shape, bytes } = await weights.read(name);
      look();
      tensors++;
      if (bytes.length !== (countOf(shape) as number) * STORED_BYTES[dtype])
        broken = `${name}: ${bytes.length} bytes of [${shape}]`;
    }
    await weights.close();
  } catch (error) {
    if (error instanceof WeightsError) refused = error.message;
    else broken = `crash: ${(error as Error)?.stack ?? error}`;
  }
  look();
  const ms = performance.now() - start;
  if (Object.keys(Object.prototype).length || "polluted" in {}) broken = "Object.prototype was written to";
  return { tensors, refused, ms, memory, broken };
}

/** Reasons with their numbers and names taken out, to count them by. */
export const kindOf = (reason: string): string =>
  reason
    .replace(/^.*?: /, "")
    .replace(/"[^"]*"|\[[^\]]*\]|\d+(\.\d+)?(e\+\d+)?/g, "_")
    .slice(0, 60);
