// Files read and written in parts, in Node. `files.browser.ts` exports the same names.

import { existsSync, realpathSync, rmSync, statSync } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { WeightsError } from "../errors.ts";
import type { Source } from "./source.ts";

const REASONS: Record<string, string> = {
  ENOENT: "no such file",
  EISDIR: "this is a folder; a file was expected",
  EACCES: "permission denied",
  EPERM: "permission denied",
  ENOSPC: "the disk is full",
  EROFS: "the file system is read-only",
};
const failure = (path: string, cause: unknown): Error => {
  const { code, message } = cause as NodeJS.ErrnoException;
  return new WeightsError(`${path}: ${REASONS[code ?? ""] ?? message}`, { cause });
};

/** One read asks the system for at most this: it refuses 2 GiB and more. */
const MOST = 1 << 30;

/** A file by its path or file: address. */
export async function openFile(address: string): Promise<Source | undefined> {
  const path = address.startsWith("file:") ? fileURLToPath(address) : address;
  let handle: FileHandle | undefined;
  try {
    handle = await open(path);
    const stat = await handle.stat();
    if (!stat.isFile()) throw new WeightsError(`${path}: a file was expected, this is none`);
    const file = handle;
    return {
      name: path,
      size: stat.size,
      async read(offset, length) {
        const bytes = new Uint8Array(length);
        for (let done = 0; done < length; ) {
          const { bytesRead } = await file.read(bytes, done, Math.min(MOST, length - done), offset + done);
          if (!bytesRead) throw new WeightsError(`${path}: it ended at byte ${offset + done}; was it cut meanwhile?`);
          done += bytesRead;
        }
        return bytes;
      },
      close: () => file.close(),
      sibling: async (name) => (await openFile(join(dirname(path), name))) as Source,
    };
  } catch (cause) {
    await handle?.close();
    throw cause instanceof WeightsError ? cause : failure(path, cause);
  }
}

let written = 0;

/** Writes the whole file or nothing: `fill` appends to a hidden neighbour, which then takes the name. */
export async function writeWhole(
  path: string,
  fill: (append: (bytes: Uint8Array) => Promise<void>) => Promise<void>,
): Promise<void> {
  const target = existsSync(path) ? realpathSync(path) : path;
  if (!existsSync(dirname(target)))
    throw new WeightsError(`${path}: the folder ${dirname(target)} does not exist; create it first`);
  if (existsSync(target) && !statSync(target).isFile()) throw new WeightsError(`${path}: a file was expected`);
  const temporary = join(dirname(target), `.${basename(target)}.${process.pid}.${written++}.part`);
  const tidy = () => rmSync(temporary, { force: true });
  process.once("exit", tidy); // Ctrl-C handlers end with process.exit
  let handle: FileHandle | undefined;
  try {
    handle = await open(temporary, "wx");
    const file = handle;
    await fill(async (bytes) => {
      for (let done = 0; done < bytes.length; )
        done += (await file.write(bytes, done, Math.min(MOST, bytes.length - done))).bytesWritten;
    });
    await handle.sync();
    await handle.close();
    handle = undefined;
    await rename(temporary, target);
  } catch (cause) {
    await handle?.close().catch(() => {});
    await rm(temporary, { force: true });
    throw (cause as NodeJS.ErrnoException).code && (cause as NodeJS.ErrnoException).syscall
      ? failure(path, cause)
      : cause;
  } finally {
    process.off("exit", tidy);
  }
}
