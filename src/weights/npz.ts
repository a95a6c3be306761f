import { WeightsError } from "../errors.ts";
import type { Contents } from "./contents.ts";
import type { Plain } from "./plain.ts";
import type { Source } from "./source.ts";
import type { View } from "./stored.ts";
import { numpyDescr, numpyView } from "./torch_storage.ts";
import type { ZipEntry } from "./zip.ts";

// NumPy's .npy [NEP 1] and .npz, by their headers alone. `io/npy.ts` reads pictures whole; this one leaves the numbers
// where they are, and knows the types that weights have.

const MAX_HEADER = 1 << 16;

async function npyView(source: Source): Promise<View | { readonly unread: string }> {
  const fail = (why: string): never => {
    throw new WeightsError(`${source.name}: not a NumPy array: ${why}`);
  };
  if (source.size < 12) fail(`${source.size} bytes`);
  const first = await source.read(0, 12);
  const view = new DataView(first.buffer, first.byteOffset, 12);
  if (String.fromCharCode(...first.subarray(0, 6)) !== "\x93NUMPY") fail("it does not begin as one");
  const version = first[6] as number;
  if (version < 1 || version > 3) fail(`version 1 to 3 expected, got ${version}`);
  const start = version === 1 ? 10 : 12;
  const length = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (length > MAX_HEADER || start + length > source.size) fail(`a header of ${length} bytes`);
  // a Python dictionary, but data: matched, never evaluated
  const text = new TextDecoder().decode(await source.read(start, length));
  const descr = /['"]descr['"]\s*:\s*['"]([^'"]+)['"]/.exec(text)?.[1];
  const fortran = /['"]fortran_order['"]\s*:\s*(True|False)/.exec(text)?.[1];
  const shape = /['"]shape['"]\s*:\s*\(([\d\s,L]*)\)/.exec(text)?.[1];
  if (descr === undefined || fortran === undefined || shape === undefined)
    return fail("its header lacks descr, fortran_order or shape");
  if (/^[<|>=]?[OUSVMm]/.test(descr)) return { unread: `numpy ${descr.slice(0, 20)}` };
  const at = start + length;
  const dims = (shape.match(/\d+/g) ?? []).map(Number);
  const data = { source, at, length: source.size - at };
  return numpyView(numpyDescr(descr, source.name), dims, fortran === "True", data);
}

export async function readNpy(source: Source): Promise<Contents> {
  const view = await npyView(source);
  if ("unread" in view) throw new WeightsError(`${source.name}: expected numbers, got ${view.unread}`);
  return { format: "npy", views: new Map([["array", view]]), metadata: {}, about: {}, part: "" };
}

/** Arrays by their names; texts and objects are named in `about` and not read. */
export async function readNpz(entries: ReadonlyMap<string, ZipEntry>): Promise<Contents> {
  const views = new Map<string, View>();
  const about: Record<string, Plain> = Object.create(null);
  for (const [file, entry] of entries) {
    if (file.endsWith("/")) continue;
    const name = file.replace(/\.npy$/, "");
    if (name === file || views.has(name)) throw new WeightsError(`${entry.open().name}: an .npy file expected`);
    const view = await npyView(entry.open());
    if ("unread" in view) about[name] = view.unread;
    else views.set(name, view);
  }
  return { format: "npz", views, metadata: {}, about, part: "" };
}
