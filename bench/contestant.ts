/**
 * One contestant in a process of its own: answers the parent's requests, one at a time. Ours is bundled here; a peer is
 * a file of bench/peers, given as the argument. Each gets the driver, the flags of Dawn and the patience in waiting that
 * ours has: a peer must not lose for Node's polling.
 */
import { pathToFileURL } from "node:url";
import { patiently } from "#gpu";
import { prepareVulkan } from "../src/gpu/driver.node.ts";
import type { Contest, Input, Size } from "./contest_cases.ts";

/** A case made ready: `run` records one call, leaving what it gives on the GPU; `output` reads what a call gives. */
export interface Running {
  run(): void | Promise<void>;
  output(): Promise<Float32Array[]>;
  end(): void | Promise<void>;
}

/** What each contestant exports. Several ways to the same answer are named `kind/way`; the fastest right one counts. */
export interface Adapter {
  /** Opens its backend, or throws what is missing. */
  available(): Promise<void>;
  /** Resolves when all that was recorded has run. */
  idle(): Promise<unknown>;
  cases: Record<string, (size: Size, input: Input) => Promise<Running>>;
}

export type Request =
  | { do: "open" }
  | { do: "prepare"; key: string; contest: Contest; input: Input }
  | { do: "time"; repeats: number }
  | { do: "end" };
/** `wall` and `cpu` in ms for all repeats; `cpu` is the whole process, which on a software adapter is the adapter too. */
export interface Timed {
  wall: number;
  cpu: number;
}

const DAWN = [
  "enable-dawn-features=allow_unsafe_apis,vulkan_enable_f16_on_nvidia",
  "disable-dawn-features=timestamp_quantization",
];

async function load(): Promise<Adapter> {
  const peer = process.argv[2];
  if (!peer) return (await import("./contest_ours.ts")).ours;
  await prepareVulkan();
  const { create, globals } = await import("webgpu");
  Object.assign(globalThis, globals, { self: globalThis });
  Object.defineProperty(globalThis, "navigator", { value: { gpu: create(DAWN), userAgent: "node" }, writable: true });
  return (await import(pathToFileURL(peer).href)).default;
}

let adapter: Adapter;
let running: Running | undefined;

async function answer(request: Request): Promise<unknown> {
  switch (request.do) {
    case "open":
      adapter = await load();
      await adapter.available();
      return Object.keys(adapter.cases);
    case "prepare": {
      const make = adapter.cases[request.key];
      if (!make) throw new Error(`internal: contestant: there is no case ${request.key}`);
      running = await make(request.contest.size, request.input);
      return await running.output();
    }
    case "time": {
      const { run } = running as Running;
      const cpu = process.cpuUsage();
      const start = performance.now();
      for (let i = 0; i < request.repeats; i++) await run();
      await patiently(adapter.idle());
      const wall = performance.now() - start;
      const { user, system } = process.cpuUsage(cpu);
      return { wall, cpu: (user + system) / 1000 } satisfies Timed;
    }
    case "end":
      await running?.end();
      running = undefined;
      return undefined;
  }
}

process.on("message", async (request: Request) => {
  try {
    process.send?.({ value: await answer(request) });
  } catch (error) {
    process.send?.({ error: String((error as Error)?.message ?? error).split("\n")[0] });
  }
});
process.on("disconnect", () => process.exit(0));
