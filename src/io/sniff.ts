// What kind of file is this? Read from its first bytes, never from its name, so that a renamed JPEG still opens
// and a text file called .png gets a plain answer. Both platforms accept the same three formats because of this.

import { ProxelError } from "../errors.ts";

export interface Sniffed {
  format: "png" | "jpeg" | "webp";
  /** 1 when the header says grey (PNG colour types 0 and 4, JPEG of one component). */
  channels: 1 | 3;
  /** 16 only for PNG of 16 bits a sample. */
  bits: 8 | 16;
}

const ascii = (bytes: Uint8Array, from: number, to: number): string => String.fromCharCode(...bytes.subarray(from, to));

/** Components of a JPEG, from its frame header (SOF). */
function jpegComponents(bytes: Uint8Array): number {
  for (let at = 2; at + 9 < bytes.length; ) {
    if (bytes[at] !== 0xff) return 3;
    const marker = bytes[at + 1];
    if (marker === 0xff) {
      at++; // padding before a marker
      continue;
    }
    // C0..CF are frame headers, except the tables C4 (Huffman), C8 (reserved) and CC (arithmetic).
    if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) return bytes[at + 9];
    at += 2 + (bytes[at + 2] << 8) + bytes[at + 3];
  }
  return 3;
}

const others: [string, RegExp][] = [
  ["a GIF", /^GIF8/],
  ["a TIFF", /^(II\*\0|MM\0\*)/],
  ["a BMP", /^BM/],
  ["a PDF", /^%PDF/],
  ["an AVIF or HEIC", /^....ftyp/s],
  ["an SVG or XML file", /^\s*<(\?xml|svg)/i],
  ["a NumPy array", /^\x93NUMPY/],
  ["a zip archive", /^PK\x03\x04/],
];

/** Format, channels and bits of a picture's bytes; throws an error naming the file when it is none of ours. */
export function sniff(bytes: Uint8Array, name = "picture"): Sniffed {
  if (bytes.length === 0) throw new ProxelError(`${name}: expected a picture, got an empty file`);
  const head = ascii(bytes, 0, Math.min(16, bytes.length));
  if (head.startsWith("\x89PNG\r\n\x1a\n")) {
    const colourType = bytes[25];
    return { format: "png", channels: colourType === 0 || colourType === 4 ? 1 : 3, bits: bytes[24] === 16 ? 16 : 8 };
  }
  if (head.startsWith("\xff\xd8\xff"))
    return { format: "jpeg", channels: jpegComponents(bytes) === 1 ? 1 : 3, bits: 8 };
  if (head.startsWith("RIFF") && head.slice(8, 12) === "WEBP") return { format: "webp", channels: 3, bits: 8 };
  const other = others.find(([, pattern]) => pattern.test(head));
  throw new ProxelError(
    other
      ? `${name}: expected a PNG, JPEG or WebP picture, got ${other[0]}; convert it first`
      : `${name}: expected a PNG, JPEG or WebP picture, got something else (first bytes ${[...bytes.subarray(0, 4)]
          .map((b) => b.toString(16).padStart(2, "0"))
          .join(" ")})`,
  );
}
