import { WeightsError } from "../errors.ts";
import { flat } from "../tensor/flat.ts";
import { halvesFrom } from "../tensor/half.ts";
import { type Shape, sameShape } from "../tensor/shape.ts";
import { type Tensor, tensor, upload } from "../tensor/tensor.ts";
import { formatSafetensors, type SafetensorsFile, type StoredTensor, widen } from "./safetensors.ts";

export interface LoadOptions {
  /** From a name in the file to the network's; undefined leaves the tensor out. */
  rename?(name: string): string | undefined;
  /** Storage of what has two axes or more; norms and biases stay f32. */
  dtype?: "f32" | "f16";
}

/** The tensors of these names and shapes, on the GPU. Missing, unused and misshapen ones are listed by name. */
export function loadParams(
  who: string,
  shapes: Readonly<Record<string, Shape>>,
  file: SafetensorsFile,
  { rename = (name) => name, dtype = "f32" }: LoadOptions = {},
): Record<string, Tensor> {
  const found = new Map<string, StoredTensor>();
  const [unused, twice]: string[][] = [[], []];
  for (const name of file.names) {
    const ours = rename(name);
    if (ours === undefined) continue;
    if (!Object.hasOwn(shapes, ours)) unused.push(name);
    else if (found.has(ours)) twice.push(name);
    else found.set(ours, file.entry(name));
  }
  const missing = Object.keys(shapes).filter((name) => !found.has(name));
  const misshapen = Object.entries(shapes).flatMap(([name, shape]) => {
    const got = found.get(name)?.shape;
    return got && !sameShape(got, shape) ? [`${name} expects [${shape}], got [${got}]`] : [];
  });
  const complaints = [
    listed(missing, "missing"),
    listed(unused, "unused"),
    listed(twice, "renamed to one that is there"),
    listed(misshapen, "of another shape"),
  ].filter(Boolean);
  if (complaints.length) throw new WeightsError(`${who}: the weights do not fit: ${complaints.join("; ")}`);
  if (dtype === "f32") {
    const { chunks, tree } = flat(shapes);
    for (const [name, entry] of found) upload(tree[name] as Tensor, widen(entry));
    for (const whole of chunks) whole.dispose(); // its slices keep the buffer
    return tree;
  }
  return Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [
      name,
      tensor(shape, widen(found.get(name) as StoredTensor), shape.length > 1 ? dtype : "f32"),
    ]),
  );
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
