/**
 * Mutants by the hundred thousand, in workers that have little memory. Fails on a crash, on more than a second twice over,
 * on memory beyond ten times the file and 64 MB, on what is kept after a batch of 1,000. Mutants that broke a promise go to
 * test/fixtures/fuzz, where the tests read them again.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { FORMATS, type Format, mutant } from "./mutate.ts";
import { kindOf, MAX_MS, memoryLimit, trial } from "./trial.ts";

const BATCH = 1000;
const SILENCE = 20_000;
const MAX_KEPT = 8 << 20;
const root = process.env.PROXEL_FIXTURES as string;

interface Job {
  format: Format;
  seed: number;
  from: number;
  count: number;
}
interface Report {
  opened: number;
  tensors: number;
  slowest: number;
  memory: number;
  kept: number;
  reasons: Record<string, number>;
  broken: [n: number, why: string][];
}

const used = (): number => {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};

let warm = false;
async function batch({ format, seed, from, count }: Job, gc: () => void, at: Int32Array): Promise<Report> {
  const report: Report = { opened: 0, tensors: 0, slowest: 0, memory: 0, kept: 0, reasons: {}, broken: [] };
  if (!warm) for (let n = 0; n < 200; n++) await trial(mutant(format, seed, n, root)); // what is compiled is kept, rightly
  warm = true;
  gc();
  const before = used();
  for (let n = from; n < from + count; n++) {
    Atomics.store(at, 0, n);
    const file = mutant(format, seed, n, root);
    let got = await trial(file);
    if (got.ms > MAX_MS || got.memory > memoryLimit(file)) {
      gc(); // once more: the machine may have been busy, and the memory another's garbage
      got = await trial(file);
    }
    report.slowest = Math.max(report.slowest, got.ms);
    report.memory = Math.max(report.memory, got.memory);
    if (got.tensors === undefined) report.reasons[kindOf(got.refused)] = (report.reasons[kindOf(got.refused)] ?? 0) + 1;
    else {
      report.opened++;
      report.tensors += got.tensors;
    }
    if (got.broken) report.broken.push([n, got.broken]);
    if (got.ms > MAX_MS) report.broken.push([n, `${Math.round(got.ms)} ms`]);
    if (got.memory > memoryLimit(file)) report.broken.push([n, `${got.memory >> 20} MB for ${file.length} bytes`]);
  }
  report.kept = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 10 && report.kept > MAX_KEPT / 4; i++) {
    await new Promise((done) => setTimeout(done, 10)); // buffers go some time after their owners
    gc();
    report.kept = used() - before;
  }
  return report;
}

function work(): void {
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("gc") as () => void;
  const at = new Int32Array(workerData as SharedArrayBuffer);
  parentPort?.on("message", async (job: Job) => parentPort?.postMessage(await batch(job, gc, at)));
}

/** One worker's share: jobs from `next` until there are none; a worker that dies or falls silent is replaced. */
async function share(next: () => Job | undefined, done: (job: Job, report: Report) => void): Promise<void> {
  const shared = new SharedArrayBuffer(4);
  const at = new Int32Array(shared);
  const start = () =>
    new Worker(new URL(import.meta.url), {
      workerData: shared,
      resourceLimits: { maxOldGenerationSizeMb: 192, maxYoungGenerationSizeMb: 16, stackSizeMb: 4 },
    });
  let worker = start();
  for (let job = next(); job; job = next()) {
    for (let rest: Job | undefined = job; rest; ) {
      const todo: Job = rest;
      rest = undefined;
      Atomics.store(at, 0, todo.from);
      const why = await new Promise<string | undefined>((resolve) => {
        let [seen, since] = [-1, Date.now()];
        const watch = setInterval(() => {
          const n = Atomics.load(at, 0);
          if (n !== seen) [seen, since] = [n, Date.now()];
          else if (Date.now() - since > SILENCE) end(`no answer for ${SILENCE} ms`);
        }, 500);
        const onMessage = (report: Report) => {
          done(todo, report);
          end();
        };
        const onError = (error: Error) => end(`the worker ended: ${error.message}`);
        const onExit = (code: number) => end(`the worker ended with ${code}`);
        const end = (reason?: string) => {
          clearInterval(watch);
          worker.off("message", onMessage).off("error", onError).off("exit", onExit);
          resolve(reason);
        };
        worker.once("message", onMessage).once("error", onError).once("exit", onExit);
        worker.postMessage(todo);
      });
      if (why === undefined) continue;
      await worker.terminate();
      worker = start();
      const n = Atomics.load(at, 0);
      done(
        { ...todo, count: 0 },
        { opened: 0, tensors: 0, slowest: 0, memory: 0, kept: 0, reasons: {}, broken: [[n, why]] },
      );
      if (n + 1 < todo.from + todo.count) rest = { ...todo, from: n + 1, count: todo.from + todo.count - n - 1 };
    }
  }
  await worker.terminate();
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      count: { type: "string", default: "100000" },
      seed: { type: "string", default: "1" },
      format: { type: "string" },
      workers: { type: "string", default: String(Math.min(4, cpus().length)) },
      json: { type: "boolean", default: false },
    },
  });
  const [count, seed] = [Number(values.count), Number(values.seed)];
  const formats = values.format ? [values.format as Format] : FORMATS;
  if (!formats.every((format) => FORMATS.includes(format)) || !(count > 0) || !Number.isInteger(seed)) {
    console.error(
      `fuzz: --count N, --seed N, --format one of ${FORMATS.join(", ")}; got ${process.argv.slice(2).join(" ")}`,
    );
    process.exit(2);
  }
  let failed = 0;
  for (const format of formats) {
    const start = performance.now();
    const all: Report = { opened: 0, tensors: 0, slowest: 0, memory: 0, kept: 0, reasons: {}, broken: [] };
    let [at, finished] = [0, 0];
    const next = (): Job | undefined => {
      if (at >= count) return undefined;
      const job = { format, seed, from: at, count: Math.min(BATCH, count - at) };
      at += BATCH;
      return job;
    };
    const done = (job: Job, report: Report): void => {
      finished += job.count;
      all.opened += report.opened;
      all.tensors += report.tensors;
      for (const key of ["slowest", "memory", "kept"] as const) all[key] = Math.max(all[key], report[key]);
      for (const [reason, n] of Object.entries(report.reasons)) all.reasons[reason] = (all.reasons[reason] ?? 0) + n;
      all.broken.push(...report.broken);
      if (process.stderr.isTTY) process.stderr.write(`\r${format} ${finished}`);
    };
    await Promise.all(Array.from({ length: Number(values.workers) }, () => share(next, done)));
    if (process.stderr.isTTY) process.stderr.write("\r");
    for (const [n, why] of all.broken.slice(0, 20)) {
      mkdirSync(`${root}/fuzz`, { recursive: true });
      writeFileSync(`${root}/fuzz/${format}-${seed}-${n}.bin`, mutant(format, seed, n, root));
      console.error(`broken: ${format} seed ${seed} mutant ${n}: ${why}`);
    }
    if (all.kept > MAX_KEPT) console.error(`broken: ${format}: ${all.kept >> 20} MB kept after a batch`);
    failed += all.broken.length + (all.kept > MAX_KEPT ? 1 : 0);
    const reasons = Object.entries(all.reasons).sort((a, b) => b[1] - a[1]);
    const row = {
      format,
      seed,
      mutants: count,
      opened: all.opened,
      tensors: all.tensors,
      reasons: reasons.length,
      slowestMs: Math.round(all.slowest),
      memoryMB: Math.round(all.memory / 2 ** 20),
      keptMB: Number((all.kept / 2 ** 20).toFixed(1)),
      broken: all.broken.length,
      seconds: Math.round((performance.now() - start) / 1000),
    };
    if (values.json) console.log(JSON.stringify({ ...row, why: Object.fromEntries(reasons.slice(0, 40)) }));
    else
      console.log(
        `${format}: ${row.mutants} mutants, ${row.opened} opened (${row.tensors} tensors read), the others refused for ${row.reasons} reasons; ` +
          `slowest ${row.slowestMs} ms, most memory ${row.memoryMB} MB, kept ${row.keptMB} MB, broken ${row.broken}; ${row.seconds} s`,
      );
  }
  process.exit(failed ? 1 : 0);
}

if (isMainThread) await main();
else work();
