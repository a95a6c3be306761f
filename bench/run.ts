import { execFileSync } from "node:child_process";
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Gpu, openGpu } from "../src/gpu/open.ts";
import { dispose, scope } from "../src/tensor/scope.ts";
import { contest } from "./contest.ts";
import { type Measured, measure, type Peak, peak } from "./measure.ts";
import { measureNet, NETS, type NetResult, netLine } from "./nets.ts";
import { report } from "./report.ts";
import { RESTORATIONS, type Restored, restoration, restoredLine } from "./restoration.ts";
import { MAKERS } from "./rows.ts";
import { ROWS, type Row } from "./shapes.ts";
import { measureTraining, TRAININGS, type TrainResult, trainLine } from "./train.ts";

const HELP = `bench: times every kernel at the shapes that the networks use

  --filter REGEX     only rows whose name matches
  --budget SECONDS   time for a row [3]
  --all              on a software adapter also rows beyond 2.5 GMAC
  --nets             memory and time of whole networks: made on disk, streamed, run once more than it takes to compile
  --train            a step of training against a forward pass: time, memory, with checkpointing and without
  --peers            ours against ONNX Runtime, TensorFlow.js and jax-js, five interleaved rounds
  --json             print JSON lines in place of the table
  --out FOLDER       where results go [bench/results]`;

/** Multiply-accumulates beyond which a processor takes too long. */
const SMALL = 2.5e9;

interface Machine {
  adapter: string;
  driver: string;
  software: boolean;
  commit: string;
  /** Processes that wanted a core when the run began: beside it, what the machine was busy with. */
  load: number;
  date: string;
}

/** One line of the results: what was measured, on what, and how it stands against the adapter's own peak. */
export interface Result extends Measured, Machine {
  name: string;
  kind: string;
  flops: number;
  bytes: number;
  /** Of the useful work. */
  gflops: number;
  gbs: number;
  /** Of what a plain copy or a plain fma loop would need for it, whichever takes longer. */
  percent: number;
  peak: Peak;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      filter: { type: "string" },
      budget: { type: "string", default: "3" },
      out: { type: "string", default: "bench/results" },
      all: { type: "boolean", default: false },
      peers: { type: "boolean", default: false },
      nets: { type: "boolean", default: false },
      train: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const say = (line: string) => (values.json ? process.stderr : process.stdout).write(`${line}\n`);
  if (values.help) {
    say(HELP);
    return 0;
  }
  const budget = Number(values.budget);
  if (!(budget > 0)) throw new TypeError(`bench: --budget must be a number of seconds above 0, got ${values.budget}`);
  const wanted = new RegExp(values.filter ?? "");

  if (values.peers) {
    const at = await machine();
    const results = (await contest(wanted, say)).map((result) => ({ ...result, ...at }));
    if (values.json) for (const result of results) process.stdout.write(`${JSON.stringify(result)}\n`);
    append(results, values.out, "-peers");
    return 0;
  }
  if (values.nets) {
    const at = await machine();
    const results: (NetResult & Machine)[] = [];
    for (const net of NETS.filter(({ name }) => wanted.test(name))) {
      const result = { ...(await measureNet(net)), ...at };
      results.push(result);
      process.stdout.write(`${values.json ? JSON.stringify(result) : netLine(result)}\n`);
    }
    append(results, values.out, "-nets");
    return 0;
  }
  if (values.train) {
    using gpu = await openGpu();
    const results: (TrainResult & Machine)[] = [];
    for (const one of TRAININGS.filter(({ name }) => wanted.test(name))) {
      const result = { ...(await measureTraining(gpu, one)), ...machineOf(gpu) };
      results.push(result);
      process.stdout.write(`${values.json ? JSON.stringify(result) : trainLine(result)}\n`);
    }
    append(results, values.out, "-train");
    return 0;
  }
  using gpu = await openGpu();
  const top = await peak(gpu, { budget });
  const at = machineOf(gpu);
  say(`${gpu.adapter} · copy ${top.copy.toFixed(1)} GB/s · fma ${top.fma.toFixed(1)} GFLOP/s · ${at.commit}`);
  say("row                                            median ms  quartiles         runs    GB/s  GFLOP/s  % of peak");
  const results: Result[] = [];
  let left = 0;
  for (const row of ROWS.filter(({ name }) => wanted.test(name))) {
    if (gpu.software && row.flops > 2 * SMALL && !values.all) {
      left++;
      continue;
    }
    try {
      const result = { ...summary(row, await time(gpu, row, budget), top), peak: top, ...at };
      results.push(result);
      process.stdout.write(`${values.json ? JSON.stringify(result) : line(result)}\n`);
    } catch (error) {
      say(`${row.name.padEnd(46)} not run: ${(error as Error).message.split("\n")[0]}`);
    }
  }
  const restored: (Restored & Machine)[] = [];
  for (const { name, task } of RESTORATIONS.filter(({ name }) => wanted.test(name))) {
    const result = { ...(await restoration(gpu, name, task)), ...at };
    restored.push(result);
    process.stdout.write(`${values.json ? JSON.stringify(result) : restoredLine(result)}\n`);
  }
  if (left) say(`${left} rows beyond ${SMALL / 1e9} GMAC were left out on this software adapter; --all runs them`);
  save(results, values.out);
  append(restored, values.out);
  return 0;
}

async function time(gpu: Gpu, row: Row, budget: number): Promise<Measured> {
  const maker = MAKERS[row.kind];
  if (!maker) throw new Error(`internal: bench: rows.ts has no maker for ${row.kind}`);
  const prepare = await maker();
  const ready = scope(() => prepare(row.size, row));
  try {
    return await measure(gpu, ready.work, { budget });
  } finally {
    ready.end?.();
    dispose(ready.inputs);
  }
}

function summary({ name, kind, flops, bytes }: Row, measured: Measured, top: Peak) {
  const seconds = measured.median / 1e3;
  const ideal = Math.max(bytes / top.copy, flops / top.fma) / 1e9;
  return {
    name,
    kind,
    flops,
    bytes,
    ...measured,
    gflops: flops / seconds / 1e9,
    gbs: bytes / seconds / 1e9,
    percent: (100 * ideal) / seconds,
  };
}

const line = ({ name, median, lower, upper, runs, gbs, gflops, percent }: Result): string =>
  [
    name.padEnd(46),
    median.toFixed(3).padStart(9),
    ` ${lower.toFixed(2)} to ${upper.toFixed(2)}`.padEnd(18),
    String(runs).padStart(5),
    gbs.toFixed(2).padStart(8),
    gflops.toFixed(2).padStart(8),
    (percent ? `${percent.toFixed(0)} %` : "").padStart(8),
  ].join(" ");

const machineOf = (gpu: Gpu): Machine => ({
  adapter: gpu.adapter,
  driver: driverOf(gpu),
  software: gpu.software,
  commit: commit(),
  load: loadavg()[0] as number,
  date: new Date().toISOString(),
});

async function machine(): Promise<Machine> {
  using gpu = await openGpu();
  return machineOf(gpu);
}

function save(results: readonly Result[], folder: string): void {
  append(results, folder);
  if (results.length) writeFileSync(join(folder, "latest.html"), report(results));
}

function append(results: readonly Machine[], folder: string, suffix = ""): void {
  const [first] = results;
  if (!first) return;
  mkdirSync(folder, { recursive: true });
  const adapter = first.adapter
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "");
  const file = join(folder, `${first.date.slice(0, 10)}-${adapter}${suffix}.jsonl`);
  appendFileSync(file, results.map((r) => `${JSON.stringify(r)}\n`).join(""));
}

const driverOf = ({ device }: Gpu): string => {
  const { vendor, architecture, device: name, description } = device.adapterInfo ?? {};
  return [vendor, architecture, name, description].filter(Boolean).join(" ");
};

function commit(): string {
  const git = (...args: string[]) =>
    execFileSync("git", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  try {
    return git("rev-parse", "--short", "HEAD") + (git("status", "--porcelain", "--untracked-files=no") ? "+" : "");
  } catch {
    return "unknown";
  }
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: Error) => {
    console.error(error.message);
    process.exitCode = error instanceof TypeError ? 2 : 1;
  },
);
