// The WGSL linker: `#include "lib/x.wgsl"` is replaced, once, by that file. Paths are relative to shaders/.
// Marker lines `//@ file:line` let a compiler message be traced back to the file a human wrote.
import { readFileSync } from "node:fs";
import { relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";

export const SHADERS = fileURLToPath(new URL("../../shaders", import.meta.url));

/** Text of a .wgsl file with its includes, each at most once. */
export function link(path, seen = new Set()) {
  const file = relative(SHADERS, path).split(sep).join("/");
  if (seen.has(file)) return "";
  seen.add(file);
  const lines = readFileSync(path, "utf8").split("\n");
  const out = [`//@ ${file}:1`];
  lines.forEach((line, i) => {
    const include = /^#include "(.+)"\s*$/.exec(line);
    if (include) out.push(link(resolve(SHADERS, include[1]), seen), `//@ ${file}:${i + 2}`);
    else out.push(line);
  });
  return out.join("\n");
}

/** For vite and vitest. */
export const wgslVite = () => ({
  name: "wgsl",
  enforce: "pre",
  load: (id) => (id.endsWith(".wgsl") ? `export default ${JSON.stringify(link(id))}` : undefined),
});

/** For esbuild. */
export const wgslEsbuild = () => ({
  name: "wgsl",
  setup: (build) => build.onLoad({ filter: /\.wgsl$/ }, ({ path }) => ({ contents: link(path), loader: "text" })),
});
