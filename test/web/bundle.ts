import { createRequire } from "node:module";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { wgslEsbuild } from "../../src/build/link.mjs";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const vitest = createRequire(createRequire(import.meta.url).resolve("vitest/package.json"));

/** Test files, given from the root, and the page's runner, as modules for a page: path to text. */
export async function bundle(files: readonly string[]): Promise<Map<string, Uint8Array>> {
  const { outputFiles } = await build({
    absWorkingDir: ROOT,
    entryPoints: [...files, "test/web/in_page/run.ts"],
    outbase: ROOT,
    outdir: ROOT,
    bundle: true,
    write: false,
    splitting: true,
    format: "esm",
    target: "es2022",
    platform: "browser",
    conditions: ["browser"],
    mainFields: ["browser", "module", "main"],
    logLevel: "warning",
    plugins: [wgslEsbuild()],
    // vitest's own parts, wherever its installation has put them
    alias: {
      vitest: fileURLToPath(new URL("in_page/vitest.ts", import.meta.url)),
      "@vitest/runner": vitest.resolve("@vitest/runner"),
      "@vitest/expect": vitest.resolve("@vitest/expect"),
      chai: vitest.resolve("chai"),
    },
  });
  return new Map(outputFiles.map(({ path, contents }) => [relative(ROOT, path).replaceAll("\\", "/"), contents]));
}
