/**
 * Ours against the peers, on the same adapter in the same run: every contestant in a process of its own, checked against
 * float64 before it is timed, then measured in turn, several rounds, so that a busy minute of the machine falls on all.
 */
import { type ChildProcess, execFileSync, fork } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { answer, CONTESTS, type Contest, error, inputs } from "./contest_cases.ts";
import type { Request, Timed } from "./contestant.ts";

const PEERS: readonly [name: string, file: string][] = [
  ["onnxruntime", "onnxruntime.mjs"],
  ["tfjs", "tfjs.mjs"],
  ["jax-js", "jax.mjs"],
];
const ROUNDS = 5;
/** A timed stretch should last this long, in ms. */
const STRETCH = 100;
/** Beyond this relative error an answer is wrong; f32 with sums of a thousand terms stays below 1e-5. */
const RIGHT = 1e-3;
const PATIENCE = 180_000;

/** How one contestant did in one case. */
interface Score {
  /** Median of the rounds, ms a call. */
  ms?: number;
  /** Time of all its threads, ms a call: on a processor, what other processes cannot lengthen. */
  cpuMs?: number;
  rounds?: number[];
  error?: number;
  /** Why it does not count. */
  why?: string;
  /** Which of its ways was fastest. */
  way?: string;
}
export interface ContestResult {
  name: string;
  kind: string;
  flops: number;
  ours: Score;
  peers: Record<string, Score>;
  /** Time of the best right peer over ours. */
  ratio: number | undefined;
  /** The same of processor time, on which other processes have little influence; of use on software adapters only. */
  cpuRatio: number | undefined;
  bestPeer: string | undefined;
  bar: number;
  met: boolean | undefined;
}

class Contestant {
  readonly name: string;
  readonly #args: string[];
  #child: ChildProcess | undefined;
  #said = "";
  keys: string[] = [];
  /** Why it takes no part at all. */
  absent: string | undefined;

  constructor(name: string, args: string[]) {
    this.name = name;
    this.#args = args;
  }

  async open(): Promise<void> {
    this.#said = "";
    this.#child = fork(fileURLToPath(new URL("bench_contestant.js", import.meta.url)), this.#args, {
      serialization: "advanced",
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    this.#child.stderr?.on("data", (chunk) => {
      this.#said = (this.#said + chunk).slice(-2000);
    });
    this.keys = (await this.#send({ do: "open" })) as string[];
  }

  /** The ways it has to do this kind of work. */
  ways = ({ kind }: Contest): string[] => this.keys.filter((key) => key === kind || key.startsWith(`${kind}/`));

  async ask<T>(request: Request): Promise<T> {
    if (!this.#child) await this.open();
    return (await this.#send(request)) as T;
  }

  #send(request: Request): Promise<unknown> {
    const child = this.#child as ChildProcess;
    return new Promise((resolve, reject) => {
      const done = () => {
        clearTimeout(timer);
        child.removeAllListeners("message").removeAllListeners("exit");
      };
      const lost = (why: string) => {
        done();
        this.#child = undefined;
        child.kill("SIGKILL");
        reject(new Error(why));
      };
      const timer = setTimeout(() => lost(`no answer in ${PATIENCE / 1000} s`), PATIENCE);
      child.on("exit", (code, signal) => lost(`ended (${signal ?? code}): ${this.#said.trim().split("\n").at(-1)}`));
      child.on("message", ({ value, error }: { value?: unknown; error?: string }) => {
        done();
        if (error === undefined) resolve(value);
        else reject(new Error(error));
      });
      child.send(request);
    });
  }

  close(): void {
    this.#child?.disconnect();
    this.#child = undefined;
  }
}

const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return ((sorted[(sorted.length - 1) >> 1] as number) + (sorted[sorted.length >> 1] as number)) / 2;
};

/** Installs the peers' packages, once. */
function install(say: (line: string) => void): void {
  const folder = fileURLToPath(new URL("../bench/peers/", import.meta.url));
  if (existsSync(`${folder}node_modules`)) return;
  const how = existsSync(`${folder}package-lock.json`) ? "ci" : "install";
  say(`installing the peers into bench/peers/node_modules (npm ${how}, about 750 MB)`);
  // otherwise onnxruntime-node would fetch CUDA libraries, which no one uses here
  const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: "skip" };
  execFileSync("npm", [how, "--no-audit", "--no-fund"], { cwd: folder, env, stdio: ["ignore", "ignore", "inherit"] });
}

/** Makes one way ready and checks it; undefined when it answers right. */
async function prepare(who: Contestant, key: string, contest: Contest, want: Float64Array[]): Promise<Score> {
  try {
    const got = await who.ask<Float32Array[]>({ do: "prepare", key, contest, input: inputs(contest) });
    const off = error(got, want);
    return off <= RIGHT ? { error: off } : { error: off, why: `wrong (${off.toExponential(1)})` };
  } catch (problem) {
    return { why: (problem as Error).message };
  }
}

/** The fastest of a contestant's right ways, left ready; the others are timed once to find it. */
async function ready(who: Contestant, contest: Contest, want: Float64Array[]) {
  if (who.absent) return { score: { why: who.absent }, repeats: 0 };
  const ways = who.ways(contest);
  if (!ways.length) return { score: { why: "does not do this" }, repeats: 0 };
  let best: { key: string; score: Score; ms: number } | undefined;
  let worst: Score = {};
  for (const key of ways) {
    const score = await prepare(who, key, contest, want);
    if (score.why) worst = { ...score, way: key };
    else {
      await who.ask({ do: "time", repeats: 1 });
      const { wall } = await who.ask<Timed>({ do: "time", repeats: 1 });
      if (!best || wall < best.ms) best = { key, score: { ...score, way: key }, ms: wall };
    }
    await who.ask({ do: "end" }).catch(() => {});
  }
  if (!best) return { score: worst, repeats: 0 };
  await prepare(who, best.key, contest, want);
  await who.ask({ do: "time", repeats: 1 });
  return { score: best.score, repeats: Math.min(100, Math.max(1, Math.ceil(STRETCH / best.ms))) };
}

async function meet(contest: Contest, all: readonly Contestant[]): Promise<ContestResult> {
  const want = answer(contest, inputs(contest));
  const entered: { who: Contestant; score: Score; repeats: number; walls: number[]; cpus: number[] }[] = [];
  for (const who of all) entered.push({ who, ...(await ready(who, contest, want)), walls: [], cpus: [] });
  for (let round = 0; round < ROUNDS; round++)
    for (let i = 0; i < entered.length; i++) {
      const one = entered[(i + round) % entered.length] as (typeof entered)[number];
      if (!one.repeats || one.score.why) continue;
      try {
        const { wall, cpu } = await one.who.ask<Timed>({ do: "time", repeats: one.repeats });
        one.walls.push(wall / one.repeats);
        one.cpus.push(cpu / one.repeats);
      } catch (problem) {
        one.score = { ...one.score, why: (problem as Error).message };
      }
    }
  const scores = entered.map(({ who, score, walls, cpus }) => {
    const timed = walls.length ? { ms: median(walls), cpuMs: median(cpus), rounds: walls } : {};
    return [who.name, { ...score, ...timed }] as [string, Score];
  });
  for (const { who } of entered) if (!who.absent) await who.ask({ do: "end" }).catch(() => {});
  const [[, ours], ...peers] = scores as [[string, Score], ...[string, Score][]];
  const right = peers.filter(([, s]) => s.ms !== undefined && !s.why).sort(([, a], [, b]) => a.ms! - b.ms!);
  const [bestPeer, best] = right[0] ?? [];
  const ratio = best && ours.ms !== undefined && !ours.why ? best.ms! / ours.ms : undefined;
  const cpu = Math.min(...right.map(([, s]) => s.cpuMs!));
  const cpuRatio = ratio && ours.cpuMs ? cpu / ours.cpuMs : undefined;
  const { name, kind, flops, bar } = contest;
  const met = best ? ratio !== undefined && ratio >= bar : undefined;
  return { name, kind, flops, ours, peers: Object.fromEntries(peers), ratio, cpuRatio, bestPeer, bar, met };
}

const shown = ({ ms, why }: Score): string => (why || ms === undefined ? short(why ?? "") : ms.toFixed(2));
const short = (why: string): string => (/^wrong/.test(why) ? why : why === "does not do this" ? "-" : "failed");

/** Runs the contests whose name matches; one line each as they end, and the verdicts. */
export async function contest(wanted: RegExp, say: (line: string) => void): Promise<ContestResult[]> {
  install(say);
  const peers = fileURLToPath(new URL("../bench/peers/", import.meta.url));
  const all = [new Contestant("proxel", []), ...PEERS.map(([name, file]) => new Contestant(name, [peers + file]))];
  const results: ContestResult[] = [];
  try {
    for (const who of all)
      try {
        await who.open();
      } catch (problem) {
        who.absent = (problem as Error).message;
        say(`${who.name} takes no part: ${who.absent}`);
      }
    say(
      [
        "case".padEnd(26),
        ...all.map(({ name }) => name.padStart(14)),
        "best peer / ours".padStart(18),
        "of cpu time",
      ].join(" "),
    );
    for (const one of CONTESTS.filter(({ name }) => wanted.test(name))) {
      const result = await meet(one, all);
      results.push(result);
      const { name, ours, ratio, cpuRatio, bar, met, bestPeer } = result;
      const verdict = met === undefined ? "no right peer" : `${met ? "met" : "not met"} (${bar}x; ${bestPeer})`;
      const columns = [ours, ...Object.values(result.peers)].map((s) => shown(s).padStart(14));
      say(
        [
          name.padEnd(26),
          ...columns,
          (ratio?.toFixed(2) ?? "").padStart(18),
          (cpuRatio?.toFixed(2) ?? "").padStart(11),
          ` ${verdict}`,
        ].join(" "),
      );
      for (const [peer, { why }] of Object.entries({ proxel: ours, ...result.peers }))
        if (why && short(why) === "failed") say(`  ${peer}: ${why}`);
    }
  } finally {
    for (const who of all) who.close();
  }
  verdicts(results, say);
  return results;
}

function verdicts(results: readonly ContestResult[], say: (line: string) => void): void {
  const judged = results.filter(({ met }) => met !== undefined);
  const below = (bar: number, among = judged) => among.filter(({ ratio = 0 }) => ratio < bar);
  const names = (rows: readonly ContestResult[]) =>
    rows.map(({ name, ratio }) => `${name} ${ratio?.toFixed(2) ?? "wrong"}`).join(", ");
  const slower = below(1);
  say(`no row slower than the best right peer: ${slower.length ? `not met (${names(slower)})` : "met"}`);
  const doubled = judged.filter(({ bar }) => bar >= 2);
  if (!doubled.length) return;
  const short = below(2, doubled);
  say(`convolution and FFT at least twice as fast: ${short.length ? `not met (${names(short)})` : "met"}`);
}
