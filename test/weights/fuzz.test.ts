/** 2,000 mutants of each format, the same at every run. `npm run fuzz` takes 100,000, and watches memory, too. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { FORMATS, mutant, parents } from "../fuzz/mutate.ts";
import { MAX_MS, trial } from "../fuzz/trial.ts";

test.each(FORMATS)("%s", async (format) => {
  for (const parent of parents(format)) expect((await trial(parent)).broken).toBeUndefined();
  let opened = 0;
  for (let n = 0; n < 2000; n++) {
    const file = mutant(format, 1, n);
    let got = await trial(file);
    if (got.ms > MAX_MS) got = await trial(file); // the machine may have been busy
    expect(got.broken, `mutant(${format}, 1, ${n})`).toBeUndefined();
    expect(got.ms, `mutant(${format}, 1, ${n}) in ms`).toBeLessThan(MAX_MS);
    if (got.tensors !== undefined) opened++;
  }
  // mutants that are all refused at the door would test nothing behind it
  expect(opened).toBeGreaterThan(50);
  expect(opened).toBeLessThan(1900);
});

const folder = new URL("../fixtures/fuzz/", import.meta.url);
test.each(existsSync(folder) ? readdirSync(folder) : [])("once found: %s", async (name) => {
  const got = await trial(new Uint8Array(readFileSync(new URL(name, folder))));
  expect(got.broken).toBeUndefined();
  expect(got.ms).toBeLessThan(MAX_MS);
});

test("nothing in the readers can run what they read", () => {
  const readers = new URL("../../src/weights/", import.meta.url);
  for (const name of readdirSync(readers)) {
    const source = readFileSync(new URL(name, readers), "utf8");
    expect(source, name).not.toMatch(/\beval\s*\(|\bnew Function\b|\bimport\s*\(|\bchild_process\b|\bnode:vm\b/);
  }
});
