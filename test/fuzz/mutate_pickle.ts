/** Mutants that know a pickle's opcodes, and the containers that hold pickles. */
import { zip } from "../lib/zip.ts";
import { INTERESTING, type Random } from "./random.ts";

/** Bytes of argument that follow an opcode; text tells how long by its own first bytes. */
const FIXED: Record<string, number> = { "\x80": 1, "\x95": 8, K: 1, M: 2, J: 4, G: 8, q: 1, r: 4, h: 1, j: 4 };
const COUNTED: Record<string, 1 | 4 | 8> = {
  "\x8a": 1,
  "\x8b": 4,
  X: 4,
  "\x8c": 1,
  "\x8d": 8,
  T: 4,
  U: 1,
  B: 4,
  C: 1,
  "\x8e": 8,
};

interface Op {
  at: number;
  end: number;
}
/** The opcodes of the pickle at `from`, as far as it is one. */
export function opsOf(file: Uint8Array, from = 0): Op[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const ops: Op[] = [];
  for (let at = from; at < file.length; ) {
    const code = String.fromCharCode(file[at] as number);
    let end = at + 1;
    const counted = COUNTED[code];
    if (code === "c") for (let lines = 0; lines < 2 && end < file.length; ) lines += file[end++] === 10 ? 1 : 0;
    else if (counted) {
      if (end + counted > file.length) break;
      const n =
        counted === 1
          ? view.getUint8(end)
          : counted === 4
            ? view.getUint32(end, true)
            : Number(view.getBigUint64(end, true));
      end += counted + n;
    } else end += FIXED[code] ?? 0;
    if (end > file.length) break;
    ops.push({ at, end });
    if (code === ".") break;
    at = end;
  }
  return ops;
}

const replace = (file: Uint8Array, at: number, end: number, by: Uint8Array): Uint8Array => {
  const out = new Uint8Array(file.length - (end - at) + by.length);
  out.set(file.subarray(0, at));
  out.set(by, at);
  out.set(file.subarray(end), at + by.length);
  return out;
};
const ascii = (s: string): Uint8Array => Uint8Array.from(s, (c) => c.charCodeAt(0));

const SNIPPETS = [
  "(",
  ")",
  "}",
  "]",
  "t",
  "u",
  "e",
  "s",
  "a",
  "R",
  "b",
  "Q",
  "0",
  "1",
  "2",
  "N",
  ".",
  "\x81",
  "\x85",
  "\x86",
  "\x87",
  "\x8f",
  "\x90",
  "\x91",
  "\x93",
  "\x94",
  "h\x00",
  "h\x01",
  "q\x00",
  "j\xff\xff\xff\xff",
  "r\xff\xff\xff\xff",
  "cos\nsystem\n",
  "cbuiltins\nset\n",
  "cbuiltins\neval\n",
  "ccollections\nOrderedDict\n)R",
  "ctorch._utils\n_rebuild_tensor_v2\n",
  "ctorch.storage\n_load_from_bytes\n",
  "ctorch\nDoubleStorage\n",
  "c__main__\nThing\n)\x81",
  "\x8c\x09__proto__",
  "X\xff\xff\xff\x7f",
  "B\xff\xff\xff\x7f",
  "\x8b\xff\xff\xff\x00",
  "I1\n",
  "\x82\x01",
  "\x96\x08\x00\x00\x00\x00\x00\x00\x00",
  "c_codecs\nencode\n",
].map(ascii);

/** Opcodes taken out, put in, moved, said many times; integers and lengths that lie. */
export function mutatePickle(file: Uint8Array, r: Random, from = 0): Uint8Array {
  const ops = opsOf(file, from);
  if (!ops.length) return file;
  const op = r.pick(ops);
  const other = r.pick(ops);
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  switch (r.below(8)) {
    case 0:
      return replace(file, op.at, op.end, new Uint8Array(0));
    case 1:
      return replace(file, op.at, op.at, r.pick(SNIPPETS));
    case 2:
      return replace(file, op.at, op.end, r.pick(SNIPPETS));
    case 3:
      return replace(file, op.at, op.end, file.slice(other.at, other.end));
    case 4: {
      // a run of opcodes, up to twenty times
      const last = ops[Math.min(ops.length - 1, ops.indexOf(op) + r.below(12))] as Op;
      const run = file.slice(op.at, last.end);
      const many = new Uint8Array(run.length * Math.min(1 + r.below(20), Math.ceil(20_000 / (run.length || 1))));
      for (let at = 0; at < many.length; at += run.length) many.set(run, at);
      return replace(file, last.end, last.end, many);
    }
    case 5: {
      // nested deep, or as broad
      const piece = r.pick(["(", "]", "}", "((", ")\x85", "]\x94", "2", "N"].map(ascii));
      const n = 1 + r.below(3000);
      const many = new Uint8Array(piece.length * n);
      for (let i = 0; i < n; i++) many.set(piece, i * piece.length);
      return replace(file, op.at, op.at, many);
    }
    case 6: {
      const ints = ops.filter(({ at }) => "KMJ".includes(String.fromCharCode(file[at] as number)));
      if (!ints.length) return file;
      const int = r.pick(ints);
      const by = new Uint8Array(5);
      by[0] = 0x4a;
      new DataView(by.buffer).setInt32(1, Number(BigInt.asIntN(32, r.pick(INTERESTING) + BigInt(r.below(7)))), true);
      return replace(file, int.at, int.end, by);
    }
    default: {
      const sized = ops.filter(({ at }) => String.fromCharCode(file[at] as number) in COUNTED);
      if (!sized.length) return file;
      const { at } = r.pick(sized);
      const width = COUNTED[String.fromCharCode(file[at] as number)] as number;
      const value = r.pick(INTERESTING);
      if (width === 1) view.setUint8(at + 1, Number(BigInt.asUintN(8, value)));
      else if (width === 4) view.setUint32(at + 1, Number(BigInt.asUintN(32, value)), true);
      else view.setBigUint64(at + 1, BigInt.asUintN(64, value), true);
      return file;
    }
  }
}

/** One of the five pickles of a legacy file, or the counts behind them. */
export function mutateLegacy(file: Uint8Array, r: Random): Uint8Array {
  let from = 0;
  for (let skip = r.pick([0, 1, 2, 3, 3, 3, 3, 4]); skip > 0; skip--) from = opsOf(file, from).at(-1)?.end ?? 0;
  return mutatePickle(file, r, from);
}

/** The archive written anew, with another data.pkl, an entry more, one less, one twice. */
export function mutateTorchZip(file: Uint8Array, r: Random): Uint8Array {
  const entries = entriesOf(file);
  if (!entries.length) return file;
  const pickle = entries.find(({ name }) => name.endsWith("data.pkl"));
  if (pickle) for (let i = r.below(3); i >= 0; i--) pickle.data = mutatePickle(pickle.data.slice(), r);
  const change = r.below(12);
  if (change === 0) entries.push(r.pick(entries));
  if (change === 1) entries.splice(r.below(entries.length), 1);
  if (change === 2)
    entries.push({
      name: r.pick(["x/byteorder", "archive/byteorder", "x/data.pkl"]),
      data: ascii(r.pick(["big", "little"])),
    });
  if (change === 3) {
    const entry = r.pick(entries);
    entry.data = entry.data.slice(0, r.below(entry.data.length + 1));
  }
  return zip(entries, { zip64: r.below(4) === 0 });
}

/** Stored entries by the directory of an archive; none where it is damaged. */
function entriesOf(file: Uint8Array): { name: string; data: Uint8Array }[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const out: { name: string; data: Uint8Array }[] = [];
  for (let at = 0; at + 46 <= file.length; at++) {
    if (view.getUint32(at, true) !== 0x02014b50) continue;
    const [size, name, local] = [
      view.getUint32(at + 24, true),
      view.getUint16(at + 28, true),
      view.getUint32(at + 42, true),
    ];
    if (local + 30 > file.length || at + 46 + name > file.length) continue;
    const from = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    if (from + size > file.length) continue;
    out.push({
      name: new TextDecoder().decode(file.subarray(at + 46, at + 46 + name)),
      data: file.slice(from, from + size),
    });
  }
  return out;
}
