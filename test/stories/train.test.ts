import { appendFileSync, existsSync, readFileSync, rmSync } from "node:fs";
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
const steps = (dir: string) =>
  existsSync(join(dir, "log.jsonl"))
    ? readFileSync(join(dir, "log.jsonl"), "utf8")
        .trim()
        .split("\n")
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
  ] as const) {
    const { code, stderr } = await proxel("train", ...args);
    expect([code, stderr.trim().split("\n").length, stderr]).toEqual([2, 1, expect.stringContaining(why)]);
  }
});
