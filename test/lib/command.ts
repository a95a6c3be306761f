import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** A folder of its own for a test. */
export const folder = (): string => mkdtempSync(join(tmpdir(), "proxel-"));

/** Starts the command, which `build.ts` has built. */
export function start(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [join(root, "dist/proxel.js"), ...args], { stdio: ["ignore", "pipe", "pipe"] });
}

export interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs the command to its end. */
export function proxel(...args: string[]): Promise<Ran> {
  const child = start(args);
  const out = { stdout: "", stderr: "" };
  child.stdout?.on("data", (d) => (out.stdout += d));
  child.stderr?.on("data", (d) => (out.stderr += d));
  return new Promise((done) => child.on("close", (code) => done({ code, ...out })));
}

/** The object that `--json` prints as the last line. */
export const json = ({ stdout }: Ran) => JSON.parse(stdout.trim().split("\n").at(-1) as string);
