// node bench/start.mjs [--filter REGEX] [--budget SECONDS] [--all] [--peers] [--json]: bundles the bench and runs it.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";
import { wgslEsbuild } from "../src/build/link.mjs";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
// a kernel that is not there fails its own rows, when they are run
const missing = {
  name: "missing",
  setup: ({ onResolve }) =>
    onResolve({ filter: /\/kernels\/.+\.ts$/ }, ({ path, resolveDir }) =>
      existsSync(join(resolveDir, path)) ? undefined : { path, external: true },
    ),
};
await build({
  absWorkingDir: at(".."),
  entryPoints: { bench: at("run.ts"), bench_contestant: at("contestant.ts") },
  outdir: at("../dist"),
  bundle: true,
  format: "esm",
  platform: "node",
  target: ["node20", "es2022"],
  packages: "external",
  plugins: [missing, wgslEsbuild()],
  logLevel: "error",
});
await import(pathToFileURL(at("../dist/bench.js")).href);
