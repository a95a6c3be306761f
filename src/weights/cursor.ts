import { WeightsError } from "../errors.ts";
import type { Range, Source } from "./source.ts";

const WINDOW = 1 << 14;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const latin1 = (bytes: Uint8Array): string => {
  let text = "";
  for (const b of bytes) text += String.fromCharCode(b);
  return text;
};

/** A place in a source that moves as it reads. `need` waits for bytes; what follows takes them without waiting. */
export class Cursor {
  readonly source: Source;
  #bytes: Uint8Array = new Uint8Array(0);
  #view = new DataView(this.#bytes.buffer);
  #base: number;
  #at = 0;

  constructor(source: Source, at = 0) {
    this.source = source;
    this.#base = at;
  }

  get at(): number {
    return this.#base + this.#at;
  }
  get left(): number {
    return this.source.size - this.at;
  }
  /** So many bytes are at hand. */
  has(n: number): boolean {
    return this.#bytes.length - this.#at >= n;
  }
  /** Brings n bytes to hand, or what is left if that is less. */
  async need(n: number): Promise<void> {
    if (this.has(n)) return;
    const start = this.at;
    const length = Math.min(Math.max(n, WINDOW), this.source.size - start);
    if (this.has(length)) return;
    this.#bytes = await this.source.read(start, length);
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.byteLength);
    this.#base = start;
    this.#at = 0;
  }

  #take(n: number): number {
    if (!this.has(n)) throw new WeightsError(`${this.source.name}: it ends at byte ${this.source.size}, in the middle`);
    const at = this.#at;
    this.#at += n;
    return at;
  }
  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }
  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }
  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }
  i32(): number {
    return this.#view.getInt32(this.#take(4), true);
  }
  u64(): number {
    return Number(this.#view.getBigUint64(this.#take(8), true));
  }
  f64BigEndian(): number {
    return this.#view.getFloat64(this.#take(8));
  }
  /** A little-endian integer in two's complement, n bytes. */
  long(n: number): number | bigint {
    const at = this.#take(n);
    let value = 0n;
    for (let i = n - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.#bytes[at + i] as number);
    if (n && (this.#bytes[at + n - 1] as number) & 0x80) value -= 1n << BigInt(8 * n);
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }
  text(n: number, encoding: "utf8" | "latin1" = "utf8"): string {
    const at = this.#take(n);
    const bytes = this.#bytes.subarray(at, at + n);
    if (encoding === "latin1") return latin1(bytes);
    try {
      return utf8.decode(bytes);
    } catch {
      throw new WeightsError(`${this.source.name}: text at byte ${this.#base + at} is not UTF-8`);
    }
  }
  /** Text up to a newline, which is taken too. */
  line(most: number): string {
    const end = this.#bytes.indexOf(10, this.#at);
    if (end < 0 || end - this.#at > most)
      throw new WeightsError(`${this.source.name}: a line at byte ${this.at} has no end`);
    const text = this.text(end - this.#at);
    this.#at++;
    return text;
  }
  /** Passes over n bytes and tells where they are. */
  skip(n: number): Range {
    if (!(n >= 0 && n <= this.left))
      throw new WeightsError(
        `${this.source.name}: ${n} bytes expected at ${this.at}, it has ${this.left}; is it truncated?`,
      );
    const range = { source: this.source, at: this.at, length: n };
    this.#at += n;
    return range;
  }
}
