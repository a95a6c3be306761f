import { closeSync, openSync, readSync } from "node:fs";

/** SONAME and needed SONAMEs of a 64-bit little-endian shared library, from its dynamic section. */
export function elf(file: string): { soname: string | undefined; needed: string[] } {
  const fd = openSync(file, "r");
  const bytes = (offset: number, size: number): Buffer => {
    const buffer = Buffer.alloc(size);
    readSync(fd, buffer, 0, size, offset);
    return buffer;
  };
  try {
    const head = bytes(0, 64);
    if (head.readUInt32BE(0) !== 0x7f454c46 || head[4] !== 2 || head[5] !== 1) return { soname: undefined, needed: [] };
    const [table, size, count] = [Number(head.readBigUInt64LE(32)), head.readUInt16LE(54), head.readUInt16LE(56)];
    const segments = Array.from({ length: count }, (_, i) => {
      const entry = bytes(table + i * size, size);
      const word = (at: number) => Number(entry.readBigUInt64LE(at));
      return { type: entry.readUInt32LE(0), offset: word(8), address: word(16), size: word(32) };
    });
    const dynamic = segments.find((s) => s.type === 2);
    if (!dynamic) return { soname: undefined, needed: [] };
    const tags = bytes(dynamic.offset, dynamic.size);
    const entries: [number, number][] = [];
    for (let at = 0; at + 16 <= tags.length; at += 16)
      entries.push([Number(tags.readBigInt64LE(at)), Number(tags.readBigUInt64LE(at + 8))]);
    const value = (tag: number) => entries.find(([t]) => t === tag)?.[1] ?? 0;
    const [address, length] = [value(5), value(10)];
    const home = segments.find((s) => s.type === 1 && s.address <= address && address < s.address + s.size);
    const strings = bytes(address - (home?.address ?? 0) + (home?.offset ?? 0), length);
    const text = (at: number) => strings.toString("latin1", at, strings.indexOf(0, at));
    const soname = entries.find(([tag]) => tag === 14);
    return {
      soname: soname && text(soname[1]),
      needed: entries.filter(([tag]) => tag === 1).map(([, at]) => text(at)),
    };
  } finally {
    closeSync(fd);
  }
}
