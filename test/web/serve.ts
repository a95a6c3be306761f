import { readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";

const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".svg": "image/svg+xml",
};

export interface Server extends AsyncDisposable {
  /** Its address, ending in a slash. */
  readonly url: string;
}

/** Serves files from memory, by path, then those of a folder, on this machine only. */
export async function serve(files: ReadonlyMap<string, Uint8Array | string>, folder?: string): Promise<Server> {
  const server = createServer(({ url = "/" }, answer) => {
    const path = normalize(decodeURIComponent(new URL(url, "http://localhost").pathname)).slice(1) || "index.html";
    const onDisk = folder === undefined ? undefined : join(folder, path);
    const body =
      files.get(path) ??
      (onDisk && statSync(onDisk, { throwIfNoEntry: false })?.isFile() ? readFileSync(onDisk) : undefined);
    answer.writeHead(body === undefined ? 404 : 200, {
      "content-type": TYPES[extname(path)] ?? "application/octet-stream",
    });
    answer.end(body);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}
