import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** Before all tests, once: the command that the stories run, from the sources as they are. */
export default function build(): void {
  execFileSync(process.execPath, ["src/build/build.mjs", "--cli"], {
    cwd: fileURLToPath(new URL("../..", import.meta.url)),
  });
}
