import { expect, test } from "vitest";
import { emaDecay, learningRate, type Schedule } from "../../src/train/schedule.ts";

const schedule: Schedule = { lr: 2e-3, warmup: 4, lrEnd: 1e-4, steps: 105 };

test("the learning rate rises in equal steps, then falls along half a cosine to its end", () => {
  expect([0, 1, 2, 3].map((k) => learningRate(schedule, k))).toEqual([0.5e-3, 1e-3, 1.5e-3, 2e-3]);
  expect(learningRate(schedule, 4)).toBe(2e-3);
  expect(learningRate(schedule, 54)).toBeCloseTo((2e-3 + 1e-4) / 2, 12);
  expect(learningRate(schedule, 29)).toBeCloseTo(1e-4 + 1.9e-3 * Math.cos(Math.PI / 8) ** 2, 12);
  expect(learningRate(schedule, 104)).toBeCloseTo(1e-4, 15);
  expect(learningRate(schedule, 5000)).toBeCloseTo(1e-4, 15);
  for (let k = 4; k < 104; k++) expect(learningRate(schedule, k + 1)).toBeLessThan(learningRate(schedule, k));
});

test("one step, no warm-up, or nothing but warm-up give finite rates", () => {
  expect(learningRate({ ...schedule, warmup: 0, steps: 1 }, 0)).toBe(2e-3);
  expect(learningRate({ ...schedule, warmup: 0 }, 0)).toBe(2e-3);
  expect([0, 1].map((k) => learningRate({ ...schedule, warmup: 10, steps: 2 }, k))).toEqual([2e-4, 4e-4]);
});

test("the moving average forgets its start", () => {
  expect(emaDecay(0.999, 0)).toBe(0.1);
  expect(emaDecay(0.999, 89)).toBeCloseTo(90 / 99, 12);
  expect(emaDecay(0.999, 1e6)).toBe(0.999);
  // what is left of the initial values after 1000 steps
  let left = 1;
  for (let k = 0; k < 1000; k++) left *= emaDecay(0.999, k);
  expect(left).toBeLessThan(1e-20);
});

test("after the warm-up a constant rate stays, and one of steps falls by the same factor each time", () => {
  const constant = { ...schedule, decay: "constant" } as const;
  expect([1, 3, 4, 90, 5000].map((k) => learningRate(constant, k))).toEqual([1e-3, 2e-3, 2e-3, 2e-3, 2e-3]);
  const steps = { ...schedule, warmup: 0, decay: "step", decayEvery: 10, decayBy: 0.5 } as const;
  expect([0, 9, 10, 19, 35].map((k) => learningRate(steps, k))).toEqual([2e-3, 2e-3, 1e-3, 1e-3, 2.5e-4]);
});
