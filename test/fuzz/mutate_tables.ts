/** Mutants that know a header of safetensors, the directory of a zip archive, the header of an array. */
import { INTERESTING, type Random } from "./random.ts";

const encode = (s: string): Uint8Array => new TextEncoder().encode(s);
const numberOf = (r: Random): number => Number(r.pick(INTERESTING)) + r.below(5) - 2;

/** Rewrites the JSON of the header: offsets, shapes, types, names, nesting, keys said twice. */
export function mutateSafetensors(file: Uint8Array, r: Random): Uint8Array {
  if (file.length < 10) return file;
  const view = new DataView(file.buffer, file.byteOffset);
  const length = Number(view.getBigUint64(0, true));
  if (!(length < file.length - 8)) return file;
  let text = new TextDecoder().decode(file.subarray(8, 8 + length));
  let header: Record<string, Record<string, unknown>>;
  try {
    header = JSON.parse(text);
  } catch {
    header = {};
  }
  const names = Object.keys(header);
  if (names.length && r.below(5)) {
    const name = r.pick(names);
    const entry = header[name] as { dtype?: unknown; shape?: unknown; data_offsets?: unknown };
    const other = header[r.pick(names)] as typeof entry;
    const changes: (() => void)[] = [
      () => (entry.data_offsets = [numberOf(r), numberOf(r)]),
      () => (entry.data_offsets = other?.data_offsets),
      () => (entry.data_offsets = [r.below(64), r.below(file.length)]),
      () =>
        (entry.shape = r.pick<unknown>([
          [],
          [0],
          [-1],
          [1.5],
          "x",
          null,
          [2 ** 31, 2 ** 31, 2 ** 31, 0],
          new Array(r.below(200)).fill(1),
        ])),
      () => (entry.shape = [numberOf(r), r.below(4)]),
      () => (entry.dtype = r.pick<unknown>(["F64", "F8_E4M3", "BOOL", "U8", "", 7, null, "__proto__", "I64"])),
      () => (entry.shape = other?.shape),
      () => delete entry[r.pick(["dtype", "shape", "data_offsets"] as const)],
      () => Object.assign(header, JSON.parse(`{"__proto__x": 1, "${"n".repeat(r.below(3000))}": {}}`)),
      () =>
        (header.__metadata__ = r.pick<unknown>([{}, { a: 1 }, { a: { b: {} } }, [], "x", null]) as Record<
          string,
          unknown
        >),
    ];
    if (entry && typeof entry === "object") r.pick(changes)();
    text = JSON.stringify(header);
  } else {
    const at = r.below(text.length);
    const depth = r.below(5000);
    text = r.pick([
      () => text.replace("{", `{"${names[0] ?? "a"}":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},`),
      () => `${text.slice(0, at)}${"[".repeat(depth)}${"]".repeat(depth)}${text.slice(at)}`,
      () => `${text.slice(0, at)}${'{"a":'.repeat(depth)}${text.slice(at)}`,
      () => text.replace(/\d+/, "9".repeat(r.below(400))),
      () => text.replace(/"shape"/, '"shape":[1],"shape"'),
      () => text.padEnd(text.length + r.below(5000)),
      () => text.replace(/\d+/, `${r.below(100)}e${r.below(400)}`),
    ])();
  }
  const head = encode(text);
  const out = new Uint8Array(8 + head.length + file.length - 8 - length);
  new DataView(out.buffer).setBigUint64(0, BigInt(head.length), true);
  out.set(head, 8);
  out.set(file.subarray(8 + length), 8 + head.length);
  return out;
}

const find = (file: Uint8Array, signature: number): number[] => {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const found: number[] = [];
  for (let at = 0; at + 46 <= file.length; at++) if (view.getUint32(at, true) === signature) found.push(at);
  return found;
};

/** Lies in the fields of a directory's records, of local headers and of the end; records that take each other's. */
export function mutateZip(file: Uint8Array, r: Random): Uint8Array {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const records = find(file, 0x02014b50);
  const locals = find(file, 0x04034b50);
  const end = file.length - 22;
  if (!records.length || end < 0) return file;
  const at = r.pick(records);
  const value = Number(BigInt.asUintN(32, r.pick(INTERESTING) + BigInt(r.below(2) * r.below(file.length))));
  r.pick([
    () => view.setUint32(at + r.pick([16, 20, 24, 38, 42]), value, true),
    () => view.setUint16(at + r.pick([6, 8, 10, 28, 30, 32, 34]), value & 0xffff, true),
    () => view.setUint32(at + 42, view.getUint32(r.pick(records) + 42, true), true),
    () => view.setUint16(at + 10, r.pick([0, 8, 9, 12, 14]), true),
    () => file.copyWithin(at + 46, r.pick(records) + 46, Math.min(file.length, r.pick(records) + 60)),
    () => locals.length && view.setUint16(r.pick(locals) + r.pick([26, 28]), value & 0xffff, true),
    () => locals.length && view.setUint32(r.pick(locals), value, true),
    () => view.setUint16(end + r.pick([4, 6, 8, 10, 20]), value & 0xffff, true),
    () => view.setUint32(end + r.pick([12, 16]), value, true),
    () => {
      // sizes that agree with each other and not with the file
      view.setUint32(at + 20, value, true);
      view.setUint32(at + 24, value, true);
    },
  ])();
  return file;
}

/** Another header in the first array found: its length, type, order, shape. */
export function mutateNumpy(file: Uint8Array, r: Random): Uint8Array {
  const from = [...find(file, 0x4d554e93)];
  if (!from.length) return file;
  const at = r.pick(from);
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const length = view.getUint16(at + 8, true);
  const text = String.fromCharCode(...file.subarray(at + 10, Math.min(file.length, at + 10 + Math.min(length, 1000))));
  const changed = r.pick([
    () => text.replace(/\([^)]*\)/, `(${numberOf(r)}, ${r.below(9)})`),
    () => text.replace(/\([^)]*\)/, `(${new Array(r.below(40)).fill(r.below(4))})`),
    () =>
      text.replace(
        /'[<>|][a-z]\d+'/,
        r.pick(["'>f4'", "'|O'", "'<f8'", "'<U9999'", "'<f2'", "'|V8'", "'<c16'", "'xx'"]),
      ),
    () => text.replace(/False/, "True"),
    () => text.replace(/'shape'/, r.pick(["'shape': (9,), 'shape'", "''", "'__proto__'"])),
    () => {
      view.setUint16(at + 8, Number(BigInt.asUintN(16, r.pick(INTERESTING))), true);
      return text;
    },
    () => {
      file[at + 6] = r.below(5);
      return text;
    },
  ])();
  file.set(encode(changed.padEnd(text.length).slice(0, text.length)).subarray(0, file.length - at - 10), at + 10);
  return file;
}
