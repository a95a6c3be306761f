/**
 * Asks Dawn for its adapters in a child process, so that a driver that crashes, prints or stays loaded does so there.
 * What Dawn says on stderr is the only place where it gives its reasons for refusing a driver.
 */
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { pathToFileURL } from "node:url";
import { FEATURES } from "./toggles.ts";

export interface ProbedAdapter {
  name: string;
  vendor: string;
  architecture: string;
  software: boolean;
  features: string[];
  limits: Record<string, number>;
  subgroups: [number, number];
}

export interface Probe {
  adapters: ProbedAdapter[];
  /** `backend: name` of everything Dawn lists, WebGPU-capable or not. */
  listed: string[];
  /** Why Dawn passed something over, in its own words. */
  reasons: string[];
  /** Set when the child died: a driver that crashed, or a webgpu package that does not load. */
  crash?: string;
}

export interface ProbeOptions {
  /** Libraries to load first, in this order. */
  preload?: string[];
  /** Changes to the environment, made inside the child after preloading; undefined removes. */
  env?: Record<string, string | undefined>;
}

/** RTLD_NOW | RTLD_NODELETE, local: later lookups by SONAME find the library, other code's symbols are left alone. */
const FLAGS = 0x2 | 0x1000;

const SCRIPT = `
const { preload, env, webgpu, toggles } = JSON.parse(process.argv[1]);
for (const file of preload) { try { process.dlopen({ exports: {} }, file, ${FLAGS}); } catch {} }
for (const key in env) { if (env[key] === null) delete process.env[key]; else process.env[key] = env[key]; }
const { create } = await import(webgpu);
let gpu = create([toggles]);
const adapters = new Map();
for (const options of [{ powerPreference: "high-performance" }, { powerPreference: "low-power" }, { forceFallbackAdapter: true }]) {
  const a = await gpu.requestAdapter(options);
  if (!a) continue;
  const { vendor, architecture, device, description, isFallbackAdapter, subgroupMinSize, subgroupMaxSize } = a.info;
  const limits = {};
  for (const key in a.limits) limits[key] = a.limits[key];
  adapters.set(vendor + device + description, {
    name: description || device || vendor, vendor, architecture, features: [...a.features].sort(), limits,
    software: Boolean(isFallbackAdapter) || /llvmpipe|swiftshader|softpipe|basic render/i.test(description),
    subgroups: [subgroupMinSize ?? 0, subgroupMaxSize ?? 0],
  });
}
let listed = [];
try { await create(["adapter=?"]).requestAdapter(); } catch (e) {
  listed = [...String(e.message).matchAll(/backend: '([^']*)', name: '([^']*)'/g)].map((m) => m[1] + ": " + m[2]);
}
process.stdout.write("\\n@@" + JSON.stringify({ adapters: [...adapters.values()], listed }) + "\\n", () => process.exit(0));
`;

/** Loads a shared library for good. Node says "did not self-register" because it is no addon; it stays loaded. */
export function keepLoaded(file: string): void {
  try {
    process.dlopen({ exports: {} }, file, FLAGS);
  } catch (error) {
    const message = (error as Error).message;
    if (!/self-register|Module version/i.test(message)) throw error;
  }
}

export async function probe({ preload = [], env = {} }: ProbeOptions = {}): Promise<Probe> {
  const webgpu = pathToFileURL(createRequire(import.meta.url).resolve("webgpu")).href;
  const changes = Object.fromEntries(Object.entries(env).map(([key, value]) => [key, value ?? null]));
  const argument = JSON.stringify({ preload, env: changes, webgpu, toggles: FEATURES });
  const child = spawn(process.execPath, ["--input-type=module", "-e", SCRIPT, argument], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NODE_OPTIONS: "", XDG_RUNTIME_DIR: process.env.XDG_RUNTIME_DIR ?? tmpdir() },
    timeout: 30_000,
  });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on("data", (chunk) => out.push(chunk));
  child.stderr.on("data", (chunk) => err.push(chunk));
  const end = await new Promise<string>((resolve) => {
    child.on("error", (error) => resolve(error.message));
    child.on("close", (code, signal) => resolve(signal ? `killed by ${signal}` : `exit ${code}`));
  });
  const stderr = Buffer.concat(err).toString();
  const reasons = reasonsIn(stderr);
  const line = /^@@(.*)$/m.exec(Buffer.concat(out).toString());
  if (line) return { ...JSON.parse(line[1]!), reasons };
  const said = /^\w*Error: .*$/m.exec(stderr)?.[0] ?? "";
  return { adapters: [], listed: [], reasons, crash: `Dawn's probe ended early (${end})${said && `: ${said}`}` };
}

/** Dawn warns `Warning: REASON`, then indented lines of where; the note about dynamic buffers is always there. */
function reasonsIn(stderr: string): string[] {
  const lines = [...stderr.matchAll(/^(?:Warning|Error): (.*)$/gm)].map((m) => m[1]!.trim());
  return [...new Set(lines.filter((line) => !/artificially reduced/.test(line)))];
}
