import { WeightsError } from "../errors.ts";
import { flat } from "../tensor/flat.ts";
import { halvesFrom } from "../tensor/half.ts";
import { type Shape, sameShape } from "../tensor/shape.ts";
import { empty, frugal, type Tensor, upload, uploadRaw } from "../tensor/tensor.ts";
import { convert } from "./convert.ts";
import type { Weights } from "./open.ts";
import { formatSafetensors, type SafetensorsFile, widen } from "./safetensors.ts";
import type { ReadOptions } from "./source.ts";

export interface LoadOptions {
  /** From a name in the file to the network's; undefined leaves the tensor out. */
  rename?(name: string): string | undefined;
  /** Storage of what has two axes or more; norms and biases stay f32. */
  dtype?: "f32" | "f16";
  /** For inference: each tensor by itself, kept in the packed form that kernels read and not twice (`frugal`). */
  frugal?: boolean;
}

interface Listed {
  readonly names: readonly string[];
  info(name: string): { readonly shape: Shape };
}

/** Our names to the file's. Missing, unused and misshapen ones are listed by name. */
function fitted(
  who: string,
  shapes: Readonly<Record<string, Shape>>,
  file: Listed,
  rename: (name: string) => string | undefined,
): Map<string, string> {
  const found = new Map<string, string>();
  const [unused, twice]: string[][] = [[], []];
  for (const name of file.names) {
    const ours = rename(name);
    if (ours === undefined) continue;
    if (!Object.hasOwn(shapes, ours)) unused.push(name);
    else if (found.has(ours)) twice.push(name);
    else found.set(ours, name);
  }
  const missing = Object.keys(shapes).filter((name) => !found.has(name));
  const misshapen = Object.entries(shapes).flatMap(([name, shape]) => {
    const theirs = found.get(name);
    const got = theirs === undefined ? undefined : file.info(theirs).shape;
    return got && !sameShape(got, shape) ? [`${name} expects [${shape}], got [${got}]`] : [];
  });
  const complaints = [
    listed(missing, "missing"),
    listed(unused, "unused"),
    listed(twice, "renamed to one that is there"),
    listed(misshapen, "of another shape"),
  ].filter(Boolean);
  if (complaints.length) throw new WeightsError(`${who}: the weights do not fit: ${complaints.join("; ")}`);
  return found;
}

/** Uninitialised tensors of these shapes: f32 side by side in few buffers, or f16 but for norms and biases. */
function blank(
  shapes: Readonly<Record<string, Shape>>,
  { dtype = "f32", frugal: sparing = false }: LoadOptions,
): Record<string, Tensor> {
  if (dtype === "f16" || sparing) {
    const tree = Object.fromEntries(
      Object.entries(shapes).map(([name, shape]) => [name, empty(shape, shape.length > 1 ? dtype : "f32")]),
    );
    if (sparing) frugal(Object.values(tree));
    return tree;
  }
  const { chunks, tree } = flat(shapes);
  for (const whole of chunks) whole.dispose(); // its slices keep the buffer
  return tree;
}

/** The tensors of these names and shapes, on the GPU. Missing, unused and misshapen ones are listed by name. */
export function loadParams(
  who: string,
  shapes: Readonly<Record<string, Shape>>,
  file: SafetensorsFile,
  { rename = (name) => name, ...options }: LoadOptions = {},
): Record<string, Tensor> {
  const found = fitted(who, shapes, { names: file.names, info: (name) => file.entry(name) }, rename);
  const tree = blank(shapes, options);
  for (const [name, theirs] of found) upload(tree[name] as Tensor, widen(file.entry(theirs)));
  return tree;
}

/** Bytes handed to the GPU after which it is waited for, so that they do not pile up on the way. */
const IN_FLIGHT = 1 << 26;

/** The same from an open file of any format, one tensor in memory at a time. `onProgress` counts bytes on the GPU. */
export async function streamParams(
  who: string,
  shapes: Readonly<Record<string, Shape>>,
  file: Weights,
  { rename = (name) => name, signal, onProgress, ...options }: LoadOptions & ReadOptions = {},
): Promise<Record<string, Tensor>> {
  signal?.throwIfAborted();
  const found = fitted(who, shapes, file, rename);
  const tree = blank(shapes, options); // all at once: a scope that is open now owns them, none that opens while we wait
  const total = Object.values(tree).reduce((sum, t) => sum + t.bytes, 0);
  let [done, waiting] = [0, 0];
  try {
    // in the file's order, which is the disk's
    for (const [name, theirs] of found) {
      signal?.throwIfAborted();
      const t = tree[name] as Tensor;
      uploadRaw(t, convert(await file.read(theirs), t.dtype === "f16" ? "F16" : "F32", `${who}: ${theirs}`));
      t.storage.gpu.recording.flush();
      if ((waiting += t.bytes) > IN_FLIGHT) {
        waiting = 0;
        await t.storage.gpu.idle();
      }
      onProgress?.({ done: (done += t.bytes), total });
    }
  } catch (error) {
    for (const t of Object.values(tree)) t.dispose();
    throw error;
  }
  return tree;
}

const listed = (names: readonly string[], what: string): string =>
  names.length ? `${names.length} ${what} (${names.slice(0, 5).join(", ")}${names.length > 5 ? ", …" : ""})` : "";

/** The parameters as the bytes of a .safetensors file, in f32 or rounded to f16. */
export async function paramBytes(
  params: Readonly<Record<string, Tensor>>,
  { dtype = "f32", metadata = {} }: { dtype?: "f32" | "f16"; metadata?: Record<string, string> } = {},
): Promise<Uint8Array> {
  const tensors: Record<string, { dtype: "F32" | "F16"; shape: readonly number[]; bytes: Uint8Array }> = {};
  for (const [name, t] of Object.entries(params)) {
    const values = await t.read();
    const array = dtype === "f16" ? halvesFrom(values) : values;
    tensors[name] = {
      dtype: dtype === "f16" ? "F16" : "F32",
      shape: t.shape,
      bytes: new Uint8Array(array.buffer, array.byteOffset, array.byteLength),
    };
  }
  return formatSafetensors(tensors, metadata);
}
