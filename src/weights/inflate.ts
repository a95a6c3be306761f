import { WeightsError } from "../errors.ts";
import type { Range } from "./source.ts";

const STEP = 1 << 14;

/** Bytes [offset, offset + length) of what a DEFLATE stream [RFC 1951] unpacks to; no more than that is held. */
export async function inflatePart(packed: Range, offset: number, length: number, who: string): Promise<Uint8Array> {
  let stream: DecompressionStream;
  try {
    stream = new DecompressionStream("deflate-raw");
  } catch (cause) {
    throw new WeightsError(`${who}: this runtime unpacks nothing; use Node 20.12 or save with numpy.savez`, { cause });
  }
  const writer = stream.writable.getWriter();
  const reader = stream.readable.getReader();
  const fed = (async () => {
    for (let at = 0; at < packed.length; at += STEP) {
      await writer.ready;
      const bytes = await packed.source.read(packed.at + at, Math.min(STEP, packed.length - at));
      await writer.write(bytes as BufferSource);
    }
    await writer.close();
  })();
  fed.catch(() => {}); // the reader sees it too
  // grows with what arrives, since the length is a claim
  const parts: Uint8Array[] = [];
  let [from, got] = [0, 0];
  try {
    while (got < length) {
      const { value, done } = await reader.read();
      if (done) break;
      const part = value.subarray(Math.max(0, offset - from), Math.max(0, offset + length - from));
      from += value.length;
      if (part.length) parts.push(part);
      got += part.length;
    }
  } catch (cause) {
    throw new WeightsError(`${who}: damaged where it is packed (${(cause as Error).message})`, { cause });
  } finally {
    await Promise.allSettled([reader.cancel(), writer.abort()]);
  }
  if (got < length) throw new WeightsError(`${who}: ${offset + length} bytes expected unpacked, got ${from}`);
  const out = new Uint8Array(length);
  for (let at = 0, i = 0; i < parts.length; at += (parts[i++] as Uint8Array).length)
    out.set(parts[i] as Uint8Array, at);
  return out;
}
