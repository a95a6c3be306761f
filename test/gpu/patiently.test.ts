import { expect, test } from "vitest";
import { patiently } from "../../src/gpu/entry.node.ts";

/** The longest that a timer of 1 ms was late while n promises took 300 ms. */
async function lateness(n: number): Promise<number> {
  let [worst, last] = [0, performance.now()];
  const timer = setInterval(() => {
    const now = performance.now();
    worst = Math.max(worst, now - last);
    last = now;
  }, 1);
  const slow = new Promise<void>((done) => setTimeout(done, 300));
  await Promise.all(Array.from({ length: n }, () => patiently(slow)));
  clearInterval(timer);
  return worst;
}

test("timers run while many reads are waited for as while one is", async () => {
  await lateness(1);
  const one = await lateness(1);
  // eight milliseconds each, one after the other, would be 320
  expect(await lateness(40)).toBeLessThan(Math.max(100, 2 * one));
});

test("a rejection passes, and those that still wait are waited for", async () => {
  const after = (ms: number, fail = false) =>
    new Promise<number>((done, refuse) => setTimeout(() => (fail ? refuse(new Error("no")) : done(ms)), ms));
  const all = await Promise.allSettled([patiently(after(5)), patiently(after(20, true)), patiently(after(60))]);
  expect(all.map((r) => r.status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(await patiently(Promise.resolve(7))).toBe(7);
});
