// node bench/reproduce/start.mjs NAME [options]: bundles the experiments and runs one.
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";
import { wgslEsbuild } from "../../src/build/link.mjs";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
await build({
  absWorkingDir: at("../.."),
  entryPoints: { reproduce: at("run.ts") },
  outdir: at("../../dist"),
  bundle: true,
  format: "esm",
  platform: "node",
  target: ["node20", "es2022"],
  packages: "external",
  plugins: [wgslEsbuild()],
  logLevel: "error",
});
await import(pathToFileURL(at("../../dist/reproduce.js")).href);
