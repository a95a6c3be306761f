import { WeightsError } from "../errors.ts";
import type { ReadOptions, Source } from "./source.ts";

/** A server that ignores ranges makes us hold the whole file: not more than this. */
const MOST_WHOLE = 2 ** 31;
const FIRST = 1 << 16;
/** What is smaller is asked for with what follows it: a request costs more than these bytes. */
const NEAR = 1 << 20;

/** A file at an address, read by range requests [RFC 9110 section 14]; held whole where the server knows none. */
export async function httpSource(address: string, { signal, onProgress }: ReadOptions): Promise<Source> {
  const ask = async (init: RequestInit, tries = 3): Promise<Response> => {
    const answer = await fetch(address, { ...init, ...(signal && { signal }) }).catch((cause: Error) => {
      signal?.throwIfAborted();
      // a kept connection may have ended meanwhile
      if (tries > 1) return ask(init, tries - 1);
      throw new WeightsError(`${address}: no answer (${cause.message})`, { cause });
    });
    if (!answer.ok && answer.status !== 416)
      throw new WeightsError(`${address}: expected the file, got HTTP ${answer.status}`);
    return answer;
  };
  const ranged = (offset: number, length: number) =>
    ask({ headers: { range: `bytes=${offset}-${offset + length - 1}` } });

  const first = await ranged(0, FIRST);
  let size = Number(/\/(\d+)$/.exec(first.headers.get("content-range") ?? "")?.[1] ?? Number.NaN);
  // another origin may hide Content-Range, never Content-Length
  if (first.status === 206 && Number.isNaN(size))
    size = Number((await ask({ method: "HEAD" })).headers.get("content-length") ?? Number.NaN);
  if (first.status !== 206 || !Number.isSafeInteger(size)) {
    const answer = first.status === 200 ? first : await ask({});
    const bytes = await downloaded(address, answer, onProgress);
    return {
      name: address,
      size: bytes.length,
      read: async (offset, length) => bytes.subarray(offset, offset + length),
      sibling: (name) => httpSource(new URL(name, answer.url || address).href, { ...(signal && { signal }) }),
    };
  }
  let near = { at: 0, bytes: new Uint8Array(await first.arrayBuffer()) };
  const tag = first.headers.get("etag");
  const part = async (offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> => {
    const answer = await ranged(offset, length);
    const bytes = answer.status === 206 ? new Uint8Array(await answer.arrayBuffer()) : undefined;
    if (bytes?.length !== length || answer.headers.get("etag") !== tag)
      throw new WeightsError(
        `${address}: expected ${length} bytes from ${offset}, got HTTP ${answer.status} with ${bytes?.length ?? "all"}; did the file change?`,
      );
    return bytes;
  };
  return {
    name: address,
    size,
    async read(offset, length) {
      if (length >= NEAR) return part(offset, length);
      if (offset < near.at || offset + length > near.at + near.bytes.length)
        near = { at: offset, bytes: await part(offset, Math.min(NEAR, size - offset)) };
      return near.bytes.subarray(offset - near.at, offset - near.at + length);
    },
    sibling: (name) => httpSource(new URL(name, first.url || address).href, { ...(signal && { signal }) }),
  };
}

async function downloaded(
  address: string,
  answer: Response,
  onProgress: ReadOptions["onProgress"],
): Promise<Uint8Array> {
  const claimed = Number(answer.headers.get("content-length") ?? 0);
  const tooMuch = (n: number) => {
    if (n > MOST_WHOLE)
      throw new WeightsError(
        `${address}: this server sends no ranges, and ${n} bytes are too many to hold; download the file and open that`,
      );
  };
  tooMuch(claimed);
  const parts: Uint8Array[] = [];
  let done = 0;
  const reader = answer.body?.getReader(); // Safari's streams cannot be iterated
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
    parts.push(part.value);
    tooMuch((done += part.value.length));
    onProgress?.({ done, total: Math.max(done, claimed) });
  }
  const bytes = new Uint8Array(done);
  for (let at = 0, i = 0; i < parts.length; at += (parts[i++] as Uint8Array).length)
    bytes.set(parts[i] as Uint8Array, at);
  return bytes;
}
