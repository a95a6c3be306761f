import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ProxelError } from "../errors.ts";
import { packageRoot } from "./version.ts";

/** The bench lives beside the sources, with its shapes and its peers; the package does not carry it. */
export async function bench(argv: string[]): Promise<number> {
  const script = fileURLToPath(new URL("bench/start.mjs", packageRoot()));
  if (!existsSync(script))
    throw new ProxelError(
      "it is run from a clone of the sources: `npm ci && npm run bench`, `npm run bench -- --help`",
    );
  const child = spawn(process.execPath, [script, ...argv], { cwd: packageRoot(), stdio: "inherit" });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code, signal) => resolve(signal ? 130 : (code ?? 1)));
  });
}
