import { openFile } from "#files";
import { WeightsError } from "../errors.ts";
import { httpSource } from "./http.ts";

/** Bytes that can be read in parts, wherever they are. */
export interface Source {
  /** For messages. */
  readonly name: string;
  readonly size: number;
  /** Bytes [offset, offset + length). Not to be written to: they may be the source's own. */
  read(offset: number, length: number): Promise<Uint8Array>;
  close?(): void | Promise<void>;
  /** A source beside this one (the shards of an index). */
  sibling?(name: string): Promise<Source>;
}

/** A run of bytes in a source. */
export interface Range {
  readonly source: Source;
  readonly at: number;
  readonly length: number;
}

export interface Progress {
  /** Bytes read, of how many. */
  readonly done: number;
  readonly total: number;
}
export interface ReadOptions {
  signal?: AbortSignal;
  onProgress?(progress: Progress): void;
}

/** A path (in Node), an address, a Blob or File, bytes, or a source of your own. */
export type Readable = string | URL | Blob | ArrayBuffer | Uint8Array | Source;

const NEAR = 1 << 14;

export async function openSource(from: Readable, options: ReadOptions = {}): Promise<Source> {
  options.signal?.throwIfAborted();
  return guarded(await bare(from, options), options.signal);
}

async function bare(from: Readable, options: ReadOptions): Promise<Source> {
  if (from instanceof ArrayBuffer) return bytesSource(new Uint8Array(from));
  if (from instanceof Uint8Array) return bytesSource(from);
  if (from instanceof Blob) return blobSource(from);
  if (typeof from !== "string" && !(from instanceof URL)) return from;
  const address = String(from);
  if (/^(https?|blob|data):/.test(address)) return httpSource(address, options);
  return (await openFile(address)) ?? httpSource(address, options);
}

/** Refuses what lies outside, ends when aborted, and keeps the last few kilobytes: headers are read in crumbs. */
function guarded(source: Source, signal: AbortSignal | undefined): Source {
  let near = { at: 0, bytes: new Uint8Array(0) as Uint8Array };
  const { name, size } = source;
  return {
    name,
    size,
    async read(offset, length) {
      signal?.throwIfAborted();
      if (!(offset >= 0 && length >= 0 && offset + length <= size))
        throw new WeightsError(
          `${name}: bytes ${offset} to ${offset + length} expected, it has ${size}; the file is truncated or damaged`,
        );
      if (length >= NEAR) return source.read(offset, length);
      if (offset < near.at || offset + length > near.at + near.bytes.length)
        near = { at: offset, bytes: await source.read(offset, Math.min(NEAR, size - offset)) };
      return near.bytes.subarray(offset - near.at, offset - near.at + length);
    },
    close: () => source.close?.(),
    ...(source.sibling && { sibling: async (other: string) => guarded(await source.sibling!(other), signal) }),
  };
}

export function bytesSource(bytes: Uint8Array, name = "bytes"): Source {
  return { name, size: bytes.length, read: async (offset, length) => bytes.subarray(offset, offset + length) };
}

function blobSource(blob: Blob): Source {
  const name = (blob as File).name ?? "blob";
  return {
    name,
    size: blob.size,
    read: async (offset, length) => new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer()),
  };
}

/** A part of a source as a source: what lies inside a container. */
export const within = ({ source, at, length }: Range): Source => ({
  name: source.name,
  size: length,
  read(offset, n) {
    if (!(offset >= 0 && n >= 0 && offset + n <= length))
      throw new WeightsError(`${source.name}: bytes ${offset} to ${offset + n} expected of a part that has ${length}`);
    return source.read(at + offset, n);
  },
});
