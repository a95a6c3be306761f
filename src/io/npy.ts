// NumPy's .npy [NEP 1, format 1.0 to 3.0]: a magic string, a Python dictionary as text, then the raw numbers.
// Read into C order and the machine's own byte order, whatever the file has; written as version 1.0, C order.

import { ProxelError } from "../errors.ts";

/** dtype "c64" is interleaved re, im: `data` is twice as long as the product of `shape`. */
export type NpyArray =
  | { dtype: "f32" | "c64"; shape: number[]; data: Float32Array }
  | { dtype: "f64"; shape: number[]; data: Float64Array }
  | { dtype: "u8"; shape: number[]; data: Uint8Array }
  | { dtype: "i32"; shape: number[]; data: Int32Array }
  | { dtype: "i64"; shape: number[]; data: BigInt64Array };

type Data = NpyArray["data"];
interface Kind {
  dtype: NpyArray["dtype"];
  /** Bytes a scalar (half a complex number), and scalars an element. */
  bytes: number;
  parts: number;
  of: (buffer: ArrayBuffer) => Data;
}

const kinds: Record<string, Kind> = {
  f4: { dtype: "f32", bytes: 4, parts: 1, of: (b) => new Float32Array(b) },
  c8: { dtype: "c64", bytes: 4, parts: 2, of: (b) => new Float32Array(b) },
  f8: { dtype: "f64", bytes: 8, parts: 1, of: (b) => new Float64Array(b) },
  u1: { dtype: "u8", bytes: 1, parts: 1, of: (b) => new Uint8Array(b) },
  i4: { dtype: "i32", bytes: 4, parts: 1, of: (b) => new Int32Array(b) },
  i8: { dtype: "i64", bytes: 8, parts: 1, of: (b) => new BigInt64Array(b) },
};

/** Header text to its three fields. The dictionary is data, so it is matched, never evaluated. */
function parseHeader(text: string, name: string): { descr: string; fortran: boolean; shape: number[] } {
  const descr = /['"]descr['"]\s*:\s*['"]([^'"]+)['"]/.exec(text)?.[1];
  const fortran = /['"]fortran_order['"]\s*:\s*(True|False)/.exec(text)?.[1];
  const shape = /['"]shape['"]\s*:\s*\(([\d\s,L]*)\)/.exec(text)?.[1];
  if (descr === undefined || fortran === undefined || shape === undefined)
    throw new ProxelError(
      `${name}: expected descr, fortran_order and shape in the .npy header, got ${text.trim().slice(0, 120)}`,
    );
  return { descr, fortran: fortran === "True", shape: (shape.match(/\d+/g) ?? []).map(Number) };
}

function swapBytes(bytes: Uint8Array, width: number): void {
  for (let i = 0; i < bytes.length; i += width) bytes.subarray(i, i + width).reverse();
}

/** Fortran order (first axis fastest) to C order (last axis fastest), on raw bytes. */
function transpose(bytes: Uint8Array<ArrayBuffer>, shape: number[], width: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(bytes.length);
  // Strides of the source, in elements.
  const strides = shape.map((_, axis) => shape.slice(0, axis).reduce((a, b) => a * b, 1));
  const index = shape.map(() => 0);
  let from = 0;
  for (let to = 0; to < bytes.length; to += width) {
    out.set(bytes.subarray(from * width, (from + 1) * width), to);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis];
      if (++index[axis] < shape[axis]) break;
      from -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return out;
}

/** Decodes the bytes of an .npy file. */
export function parseNpy(file: Uint8Array, name = "array"): NpyArray {
  const magic = String.fromCharCode(...file.subarray(0, 6));
  if (magic !== "\x93NUMPY")
    throw new ProxelError(
      `${name}: expected a NumPy .npy file, got ${file.length ? "something else" : "an empty file"}`,
    );
  if (file.length < 12) throw new ProxelError(`${name}: truncated in the .npy header (${file.length} bytes)`);
  const version = file[6];
  if (version < 1 || version > 3) throw new ProxelError(`${name}: expected .npy version 1, 2 or 3, got ${version}`);
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const start = version === 1 ? 10 : 12;
  const end = start + (version === 1 ? view.getUint16(8, true) : view.getUint32(8, true));
  if (end > file.length)
    throw new ProxelError(`${name}: truncated in the .npy header (${file.length} of ${end} bytes)`);
  const { descr, fortran, shape } = parseHeader(new TextDecoder().decode(file.subarray(start, end)), name);

  const kind = kinds[descr.slice(1)];
  if (!kind || !"<>|=".includes(descr[0]))
    throw new ProxelError(
      `${name}: expected dtype f4, f8, c8, u1, i4 or i8, got "${descr}"; convert with numpy's astype`,
    );
  const wide = kind.bytes * kind.parts;
  const need = shape.reduce((a, b) => a * b, 1) * wide;
  if (file.length - end < need)
    throw new ProxelError(
      `${name}: expected ${need} bytes of data for shape [${shape.join(", ")}], got ${file.length - end}; the file is truncated`,
    );

  let bytes = new Uint8Array(need); // a copy: aligned, and ours
  bytes.set(file.subarray(end, end + need));
  if (descr[0] === ">") swapBytes(bytes, kind.bytes);
  if (fortran && shape.length > 1) bytes = transpose(bytes, shape, wide);
  return { dtype: kind.dtype, shape, data: kind.of(bytes.buffer) } as NpyArray;
}

/** Encodes as .npy 1.0, little endian, C order. */
export function formatNpy({ dtype, shape, data }: NpyArray): Uint8Array<ArrayBuffer> {
  const [code, kind] = Object.entries(kinds).find(([, k]) => k.dtype === dtype)!;
  const count = shape.reduce((a, b) => a * b, 1) * kind.parts;
  if (count !== data.length)
    throw new RangeError(
      `formatNpy: shape [${shape.join(", ")}] of ${dtype} expects ${count} numbers, got ${data.length}`,
    );
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const text = `{'descr': '${kind.bytes === 1 ? "|" : "<"}${code}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const length = Math.ceil((10 + text.length + 1) / 64) * 64; // data aligned to 64 bytes, newline last
  const out = new Uint8Array(length + data.byteLength);
  out.set([0x93, ...new TextEncoder().encode("NUMPY"), 1, 0]);
  new DataView(out.buffer).setUint16(8, length - 10, true);
  out.set(new TextEncoder().encode(`${text.padEnd(length - 11)}\n`), 10);
  out.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), length);
  return out;
}
