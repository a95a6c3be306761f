import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { parseSafetensors } from "../../src/weights/safetensors.ts";
import { folder, json, proxel, start } from "../lib/command.ts";

const SETTINGS = [
  "--size",
  "16",
  "--batch",
  "2",
  "--steps",
  "9",
  "--every",
  "1",
  "--save",
  "3",
  "--multipliers",
  "1",
  "--warmup",
  "4",
  "--seed",
  "7",
];
const tensors = (path: string) => {
  const file = parseSafetensors(new Uint8Array(readFileSync(path)));
  return new Map(file.names.map((name) => [name, Buffer.from(file.entry(name).bytes).toString("base64")]));
};
// what stands behind the last line break is still being written
const steps = (dir: string) =>
  existsSync(join(dir, "log.jsonl"))
    ? readFileSync(join(dir, "log.jsonl"), "utf8")
        .split("\n")
        .slice(0, -1)
        .map((line) => JSON.parse(line).step as number)
    : [];

test("a run that was killed goes on to the same bits as one that was not", async () => {
  const whole = folder();
  const straight = await proxel("train", "-o", whole, ...SETTINGS, "--json");
  expect(straight.stderr).toContain("wrote");
  expect(json(straight).step).toBe(9);

  // killed in the middle of a line of the log, after the last checkpoint and before its prior
  appendFileSync(join(whole, "log.jsonl"), '{"step":9,"st');
  const made = tensors(join(whole, "prior.safetensors"));
  rmSync(join(whole, "prior.safetensors"));
  const ended = await proxel("train", "-o", whole, "--resume");
  expect([ended.code, ended.stderr]).toEqual([0, expect.stringContaining("wrote")]);
  expect(tensors(join(whole, "prior.safetensors"))).toEqual(made);

  const killed = folder();
  const child = start(["train", "-o", killed, ...SETTINGS]);
  const gone = new Promise((done) => child.on("close", done));
  // past a checkpoint, so that work is lost and has to be made again
  while (!steps(killed).includes(5) && child.exitCode === null) await sleep(20);
  child.kill("SIGKILL");
  await gone;
  expect(existsSync(join(killed, "checkpoint.safetensors"))).toBe(true);
  expect(steps(killed)).not.toContain(9);
  const again = await proxel("train", "-o", killed);
  expect([again.code, again.stderr]).toEqual([2, expect.stringContaining("go on with --resume")]);
  const resumed = await proxel("train", "-o", killed, "--resume");
  expect([resumed.code, resumed.stderr]).toEqual([0, expect.stringContaining("wrote")]);

  expect(steps(killed)).toEqual(steps(whole));
  for (const name of ["checkpoint.safetensors", "prior.safetensors"]) {
    const [a, b] = [tensors(join(whole, name)), tensors(join(killed, name))];
    expect([...b.keys()]).toEqual([...a.keys()]);
    for (const [key, bytes] of a) expect(b.get(key) === bytes, `${name}: ${key} has the same bits`).toBe(true);
  }
});

test("bad settings are one line, and code 2", async () => {
  for (const [args, why] of [
    [["-o", folder(), "--steps=-3"], "--steps expects a whole number"],
    [["-o", folder(), "--data", "/nothing/here.json"], "/nothing/here.json"],
    [["-o", folder(), "--resume"], "has no checkpoint.safetensors"],
    [[], "say where the results go"],
    [["lroa"], "did you mean lora?"],
    [["edm", "--prior", "x"], "unknown option --prior"],
  ] as const) {
    const { code, stderr } = await proxel("train", ...args);
    expect([code, stderr.trim().split("\n").length, stderr]).toEqual([2, 1, expect.stringContaining(why)]);
  }
});

test("a run with a judge and numbers of the host was killed, and goes on to the same bits too", async () => {
  const args = ["--size", "16", "--batch", "1", "--steps", "5", "--every", "1", "--save", "2", "--seed", "3"];
  const [whole, killed] = [folder(), folder()];
  expect((await proxel("train", "ud2m", "-o", whole, ...args)).code).toBe(0);
  const child = start(["train", "ud2m", "-o", killed, ...args]);
  const gone = new Promise((done) => child.on("close", done));
  while (!steps(killed).includes(3) && child.exitCode === null) await sleep(20);
  child.kill("SIGKILL");
  await gone;
  expect((await proxel("train", "ud2m", "-o", killed, "--resume")).code).toBe(0);
  const kept = (dir: string) => join(dir, "checkpoint.safetensors");
  const [a, b] = [tensors(kept(whole)), tensors(kept(killed))];
  expect([...a.keys()].some((name) => name.startsWith("judge.m/"))).toBe(true);
  expect([...b.keys()]).toEqual([...a.keys()]);
  for (const [key, bytes] of a) expect(b.get(key) === bytes, `${key} has the same bits`).toBe(true);
  const scalars = (dir: string) =>
    JSON.parse(parseSafetensors(new Uint8Array(readFileSync(kept(dir)))).metadata.state as string).scalars;
  expect(Object.keys(scalars(whole).values)).not.toEqual([]);
  expect(scalars(killed)).toEqual(scalars(whole));
});

test("adapters: told beforehand, stopped by Ctrl-C, gone on with, and the base left out of the file", async () => {
  const few = ["--size", "16", "--batch", "1", "--rank", "1", "--every", "1", "--layers", "out"];
  const told = await proxel("train", "lora", "--dry-run", ...few, "--steps", "100");
  expect([told.code, told.stderr]).toEqual([0, expect.not.stringContaining("error")]);
  expect(told.stdout).toMatch(/^trained {2}[\d,]+ parameters$/m);
  expect(told.stdout).toMatch(/^a step {3}[\d.]+ s for 1 tiles of 16x16/m);
  expect(told.stdout).toMatch(/^memory {3}[\d.]+ MiB on the device at most$/m);
  expect(told.stdout).toMatch(/^all {6}100 steps: about \d/m);

  const run = folder();
  const child = start(["train", "lora", "-o", run, ...few, "--steps", "500", "--sheets", "1000"]);
  let said = "";
  child.stderr?.on("data", (d) => (said += d));
  const gone = new Promise((done) => child.on("close", done));
  while (!steps(run).includes(2) && child.exitCode === null) await sleep(20);
  child.kill("SIGINT");
  expect(await gone).toBe(130);
  const last = steps(run).at(-1) as number;
  expect(said).toContain(`stopped after step ${last}; go on with \`proxel train lora -o ${run} --resume\``);
  const on = await proxel("train", "lora", "-o", run, "--resume", "--steps", `${last + 1}`, "--json");
  expect([on.code, json(on).step, json(on).rank]).toEqual([0, last + 1, 1]);
  expect(readdirSync(run).sort()).toEqual(
    [
      "checkpoint.safetensors",
      "log.jsonl",
      "lora.safetensors",
      "loss.html",
      `sheet-${String(last).padStart(6, "0")}.png`,
      `sheet-${String(last + 1).padStart(6, "0")}.png`,
    ].sort(),
  );
  expect([...tensors(join(run, "lora.safetensors")).keys()].every((name) => /lora_[AB]$/.test(name))).toBe(true);
  expect(readFileSync(join(run, "loss.html"), "utf8")).toContain(`Step ${last + 1} of ${last + 1}`);
});

test("a run that diverges says what was not finite first, and its checkpoint is of before", async () => {
  const run = folder();
  const args = ["--size", "16", "--batch", "1", "--multipliers", "1", "--every", "1", "--save", "1", "--steps", "6"];
  const { code, stderr } = await proxel("train", "-o", run, ...args, "--warmup", "0", "--lr", "1e30");
  expect([code, stderr]).toEqual([
    2,
    expect.stringMatching(/the (loss|gradient's norm) is .* in step \d; first not finite: .*\[/),
  ]);
  const kept = parseSafetensors(new Uint8Array(readFileSync(join(run, "checkpoint.safetensors"))));
  for (const name of kept.names) {
    const { bytes } = kept.entry(name);
    expect(new Float32Array(bytes.slice().buffer).every(Number.isFinite), name).toBe(true);
  }
  expect(steps(run).length).toBeGreaterThan(0);
});
