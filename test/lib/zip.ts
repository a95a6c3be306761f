/** Writes zip archives for tests: stored entries, with any field a lie. */
export interface Entry {
  name: string;
  data: Uint8Array;
}
export interface Lies {
  /** All sizes and offsets in Zip64 fields. */
  zip64?: boolean;
  /** Overwrites fields of the directory: entry, offset in its record, bytes, value. */
  fields?: [entry: number, offset: number, bytes: 2 | 4, value: number][];
}

export function zip(entries: readonly Entry[], { zip64 = false, fields = [] }: Lies = {}): Uint8Array {
  const text = new TextEncoder();
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  const add = (bytes: Uint8Array): void => {
    parts.push(bytes);
    at += bytes.length;
  };
  const record = (length: number, fill: (v: DataView) => void): Uint8Array => {
    const bytes = new Uint8Array(length);
    fill(new DataView(bytes.buffer));
    return bytes;
  };
  for (const [i, { name, data }] of entries.entries()) {
    const label = text.encode(name);
    const local = at;
    // as torch: sizes only in the directory
    add(
      record(30, (v) => {
        v.setUint32(0, 0x04034b50, true);
        v.setUint16(26, label.length, true);
      }),
    );
    add(label);
    add(data);
    const extra = zip64 ? 28 : 0;
    const head = record(46 + label.length + extra, (v) => {
      v.setUint32(0, 0x02014b50, true);
      v.setUint32(20, zip64 ? 0xffffffff : data.length, true);
      v.setUint32(24, zip64 ? 0xffffffff : data.length, true);
      v.setUint16(28, label.length, true);
      v.setUint16(30, extra, true);
      v.setUint32(42, zip64 ? 0xffffffff : local, true);
      if (zip64) {
        const e = 46 + label.length;
        v.setUint16(e, 1, true);
        v.setUint16(e + 2, 24, true);
        v.setBigUint64(e + 4, BigInt(data.length), true);
        v.setBigUint64(e + 12, BigInt(data.length), true);
        v.setBigUint64(e + 20, BigInt(local), true);
      }
    });
    head.set(label, 46);
    const fake = new DataView(head.buffer);
    for (const [entry, offset, bytes, value] of fields)
      if (entry === i) bytes === 2 ? fake.setUint16(offset, value, true) : fake.setUint32(offset, value, true);
    directory.push(head);
  }
  const start = at;
  for (const head of directory) add(head);
  const size = at - start;
  if (zip64) {
    const end = at;
    add(
      record(56, (v) => {
        v.setUint32(0, 0x06064b50, true);
        v.setBigUint64(4, 44n, true);
        v.setBigUint64(24, BigInt(entries.length), true);
        v.setBigUint64(32, BigInt(entries.length), true);
        v.setBigUint64(40, BigInt(size), true);
        v.setBigUint64(48, BigInt(start), true);
      }),
    );
    add(
      record(20, (v) => {
        v.setUint32(0, 0x07064b50, true);
        v.setBigUint64(8, BigInt(end), true);
        v.setUint32(16, 1, true);
      }),
    );
  }
  add(
    record(22, (v) => {
      v.setUint32(0, 0x06054b50, true);
      v.setUint16(8, zip64 ? 0xffff : entries.length, true);
      v.setUint16(10, zip64 ? 0xffff : entries.length, true);
      v.setUint32(12, zip64 ? 0xffffffff : size, true);
      v.setUint32(16, zip64 ? 0xffffffff : start, true);
    }),
  );
  const out = new Uint8Array(at);
  for (let p = 0, i = 0; i < parts.length; p += parts[i++]!.length) out.set(parts[i]!, p);
  return out;
}
