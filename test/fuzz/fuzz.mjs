// npm run fuzz [-- --count 100000] [--seed 1] [--format npz] [--workers 2] [--json]: bundles the fuzzer and runs it.
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("../..", import.meta.url));
const outfile = join(root, "node_modules/.cache/proxel/fuzz.mjs");
await build({
  absWorkingDir: root,
  entryPoints: ["test/fuzz/run.ts"],
  outfile,
  bundle: true,
  format: "esm",
  platform: "node",
  target: ["node20", "es2022"],
  packages: "external",
  logLevel: "error",
});
process.env.PROXEL_FIXTURES = join(root, "test/fixtures");
await import(pathToFileURL(outfile).href);
