// Files in a page: it has none to open by path, and writes by offering a download. Same names as `files.node.ts`.

import type { Source } from "./source.ts";

/** A page knows addresses only. */
export async function openFile(_address: string): Promise<Source | undefined> {
  return undefined;
}

/** Offers what `fill` appends as a download. The browser keeps the parts of a Blob where it likes, also on disk. */
export async function writeWhole(
  path: string,
  fill: (append: (bytes: Uint8Array) => Promise<void>) => Promise<void>,
): Promise<void> {
  const parts: Blob[] = [];
  await fill(async (bytes) => {
    parts.push(new Blob([bytes as BlobPart]));
  });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(parts));
  link.download = path.split("/").at(-1)!;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
