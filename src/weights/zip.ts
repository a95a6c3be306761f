import { WeightsError } from "../errors.ts";
import { inflatePart } from "./inflate.ts";
import type { Source } from "./source.ts";

// Zip archives [APPNOTE 6.3.9], as torch and numpy write them: sizes are those of the central directory, since local
// headers may hold zeros, and Zip64 fields count where the old ones are all ones.

export interface ZipEntry {
  readonly name: string;
  /** Bytes unpacked, and as they lie in the file. */
  readonly size: number;
  readonly packed: number;
  readonly stored: boolean;
  /** Its contents. What is stored is read in place; what is deflated is unpacked from its beginning at each read. */
  open(): Source;
}

const LOCAL = 30;
const MAX_RATIO = 1032; // DEFLATE makes a byte into no more
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export async function readZip(source: Source): Promise<Map<string, ZipEntry>> {
  const fail = (why: string): never => {
    throw new WeightsError(`${source.name}: not a whole zip archive: ${why}`);
  };
  const view = async (at: number, length: number, what: string): Promise<DataView> => {
    if (!(at >= 0 && at + length <= source.size)) fail(`its ${what} lies outside the file; is it truncated?`);
    const bytes = await source.read(at, length);
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
  const u64 = (v: DataView, at: number) => Number(v.getBigUint64(at, true));

  const tail = Math.min(source.size, 22 + 65535);
  const end = await view(source.size - tail, tail, "end");
  let at = tail - 22;
  while (at >= 0 && !(end.getUint32(at, true) === 0x06054b50 && at + 22 + end.getUint16(at + 20, true) === tail)) at--;
  if (at < 0) fail("it has no directory; is it truncated?");
  let count = end.getUint16(at + 10, true);
  let size = end.getUint32(at + 12, true);
  let start = end.getUint32(at + 16, true);
  let before = source.size - tail + at; // what must come before: the directory ends here
  if (end.getUint16(at + 4, true) || end.getUint16(at + 6, true)) {
    if (end.getUint16(at + 4, true) !== 0xffff) fail("it is one part of several");
  }
  if (count === 0xffff || size === 0xffffffff || start === 0xffffffff) {
    const locator = await view(before - 20, 20, "Zip64 locator");
    if (locator.getUint32(0, true) !== 0x07064b50) fail("it has no Zip64 locator");
    before = u64(locator, 8);
    const record = await view(before, 56, "Zip64 directory");
    if (record.getUint32(0, true) !== 0x06064b50) fail("it has no Zip64 directory");
    [count, size, start] = [u64(record, 32), u64(record, 40), u64(record, 48)];
  }
  if (count > size / 46 || start + size > before) fail(`a directory of ${count} entries in ${size} bytes at ${start}`);
  const directory = await view(start, size, "directory");

  const entries = new Map<string, ZipEntry>();
  const spans: [number, number][] = [];
  for (let p = 0, i = 0; i < count; i++) {
    if (p + 46 > size || directory.getUint32(p, true) !== 0x02014b50) fail(`entry ${i} of its directory is damaged`);
    const flags = directory.getUint16(p + 8, true);
    const method = directory.getUint16(p + 10, true);
    const sizes = {
      packed: directory.getUint32(p + 20, true),
      size: directory.getUint32(p + 24, true),
      local: directory.getUint32(p + 42, true),
    };
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((q) => directory.getUint16(p + q, true)) as [
      number,
      number,
      number,
    ];
    const next = p + 46 + nameLength + extraLength + commentLength;
    if (next > size) fail(`entry ${i} of its directory is damaged`);
    const name = decode(directory, p + 46, nameLength) ?? fail(`the name of entry ${i} is not UTF-8`);
    zip64(directory, p + 46 + nameLength, extraLength, sizes, u64);
    const { packed, local } = sizes;
    if (flags & 1) fail(`${name} is encrypted`);
    if (method !== 0 && method !== 8) fail(`${name} is packed by method ${method}; stored or deflated expected`);
    if (method === 0 && packed !== sizes.size) fail(`${name} is stored, ${sizes.size} bytes in ${packed}`);
    if (sizes.size > packed * MAX_RATIO) fail(`${name} claims ${sizes.size} bytes in ${packed}`);
    const last = local + LOCAL + nameLength + packed;
    if (!(last <= start)) fail(`${name} ends at ${last}, in or behind the directory`);
    if (entries.has(name)) fail(`${name} comes twice`);
    spans.push([local, last]);
    entries.set(name, {
      name,
      size: sizes.size,
      packed,
      stored: method === 0,
      open: () => contents(name, sizes, method),
    });
    p = next;
  }
  spans.sort((a, b) => a[0] - b[0]);
  spans.forEach(([from], i) => {
    if (i && from < (spans[i - 1] as [number, number])[1]) fail("two of its entries overlap");
  });
  return entries;

  function contents(name: string, { local, packed, size }: Sizes, method: number): Source {
    let data: Promise<number> | undefined;
    const begin = async (): Promise<number> => {
      const header = await view(local, LOCAL, `entry ${name}`);
      if (header.getUint32(0, true) !== 0x04034b50) fail(`${name} is not where the directory says`);
      const from = local + LOCAL + header.getUint16(26, true) + header.getUint16(28, true);
      if (from + packed > start) fail(`${name} ends in or behind the directory`);
      return from;
    };
    return {
      name: `${source.name} (${name})`,
      size,
      async read(offset, length) {
        if (!(offset >= 0 && length >= 0 && offset + length <= size))
          fail(`bytes ${offset} to ${offset + length} of ${name} expected, it has ${size}`);
        const from = await (data ??= begin());
        if (method === 0) return source.read(from + offset, length);
        return inflatePart({ source, at: from, length: packed }, offset, length, `${source.name}: ${name}`);
      },
    };
  }
}

interface Sizes {
  packed: number;
  size: number;
  local: number;
}

/** The Zip64 extra field holds, in this order, those of the three that are all ones. */
function zip64(
  v: DataView,
  from: number,
  length: number,
  sizes: Sizes,
  u64: (v: DataView, at: number) => number,
): void {
  for (let p = from; p + 4 <= from + length; p += 4 + v.getUint16(p + 2, true)) {
    if (v.getUint16(p, true) !== 1) continue;
    const stop = Math.min(from + length, p + 4 + v.getUint16(p + 2, true));
    let q = p + 4;
    for (const key of ["size", "packed", "local"] as const)
      if (sizes[key] === 0xffffffff && q + 8 <= stop) {
        sizes[key] = u64(v, q);
        q += 8;
      }
    return;
  }
}

function decode(v: DataView, at: number, length: number): string | undefined {
  try {
    return utf8.decode(new Uint8Array(v.buffer, v.byteOffset + at, length));
  } catch {
    return undefined;
  }
}
