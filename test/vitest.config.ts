import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { wgslVite } from "../src/build/link.mjs";

export default defineConfig({
  root: fileURLToPath(new URL("..", import.meta.url)),
  plugins: [wgslVite()],
  // `using` needs lowering on Node 20
  esbuild: { target: "es2022" },
  test: {
    globalSetup: ["test/lib/build.ts"],
    include: ["test/**/*.test.ts"],
    exclude: ["test/web/**"],
    pool: "forks",
    poolOptions: { forks: { maxForks: 2 } },
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
