import { expect, test } from "vitest";
import { mul } from "../../kernels/broadcast.ts";
import { square } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { type Rng, rng } from "../../kernels/random.ts";
import { mean } from "../../kernels/reduce.ts";
import { flat } from "../../src/tensor/flat.ts";
import { type Tensor, tensor, upload } from "../../src/tensor/tensor.ts";
import { type LoopOptions, loop, type Report } from "../../src/train/loop.ts";
import { adam, type Optimiser } from "../../src/train/optimiser.ts";
import { withGpu } from "../lib/gpu.ts";

const fixture = withGpu();

const GOAL = [1, -2, 0.5, 3];
/** Four numbers looking for GOAL, which a batch gives. */
function problem(change: Partial<LoopOptions> = {}): LoopOptions & { optimiser: Optimiser } {
  const params = flat({ p: [4] });
  upload(params.tree.p as Tensor, new Float32Array(4));
  return {
    optimiser: adam(params),
    loss: (p, batch) => mean(square(lincomb(1, p.p as Tensor, -1, batch))),
    batch: async () => tensor([4], GOAL),
    schedule: { lr: 0.1, warmup: 5, lrEnd: 1e-3, steps: 200 },
    ...change,
  };
}
async function run(options: LoopOptions): Promise<Report[]> {
  const reports: Report[] = [];
  for await (const report of loop(options)) reports.push(report);
  return reports;
}
const numbers = async (o: Optimiser, part: "params" | "ema" = "params") => [
  ...(await (o[part].tree.p as Tensor).read()),
];

test("a parabola's bottom is found; reports come on time and hold means", async () => {
  const options = problem({ every: 60 });
  const reports = await run(options);
  expect(reports.map(({ step }) => step)).toEqual([60, 120, 180, 200]);
  expect(reports[0]).toMatchObject({ steps: 200 });
  expect((reports.at(-1) as Report).loss).toBeLessThan(1e-5);
  expect((reports.at(-1) as Report).lr).toBeCloseTo(1e-3, 9);
  (await numbers(options.optimiser)).forEach((v, i) => {
    expect(v).toBeCloseTo(GOAL[i] as number, 2);
  });
  const away = (await numbers(options.optimiser, "ema")).map((v, i) => Math.abs(v - (GOAL[i] as number)));
  expect(Math.max(...away)).toBeLessThan(0.5);
  options.optimiser.dispose();

  const one = problem({ every: 1, schedule: { lr: 0.1, warmup: 0, lrEnd: 0.1, steps: 3 } });
  const each = (await run(one)).map(({ loss }) => loss);
  one.optimiser.dispose();
  const all = problem({ every: 3, schedule: { lr: 0.1, warmup: 0, lrEnd: 0.1, steps: 3 } });
  const [whole] = await run(all);
  all.optimiser.dispose();
  expect(whole?.loss).toBeCloseTo(each.reduce((a, b) => a + b) / 3, 6);
  expect(each[0]).toBeCloseTo(GOAL.reduce((s, v) => s + v * v, 0) / 4, 6);
});

const noisy = (seen: number[] = []): Partial<LoopOptions> => ({
  seed: 11,
  every: 1,
  batch: async (r: Rng) => {
    seen.push(r.number());
    return r.normal([4]);
  },
  loss: (p, batch, r) => mean(square(lincomb(1, p.p as Tensor, -1, mul(batch, r.uniform([4]))))),
  schedule: { lr: 0.1, warmup: 3, lrEnd: 1e-3, steps: 12 },
});

test("step k draws from its own streams, so a run in two halves gives the same bits", async () => {
  const seen: number[] = [];
  const whole = problem(noisy(seen));
  const losses = (await run(whole)).map(({ loss }) => loss);
  expect(seen).toEqual(
    Array.from({ length: 12 }, (_, k) =>
      rng(11)
        .fork(2 * k)
        .number(),
    ),
  );

  const halves = problem(noisy());
  const stop = new AbortController();
  const first: Report[] = [];
  for await (const report of loop({ ...halves, signal: stop.signal })) {
    first.push(report);
    if (report.step === 4) stop.abort();
  }
  expect(first.map(({ step }) => step)).toEqual([1, 2, 3, 4]);
  const second = await run({ ...halves, start: 4 });
  expect(second.map(({ step }) => step)).toEqual([5, 6, 7, 8, 9, 10, 11, 12]);
  expect([...first, ...second].map(({ loss }) => loss)).toEqual(losses);
  for (const part of ["params", "ema"] as const)
    expect(await numbers(halves.optimiser, part)).toEqual(await numbers(whole.optimiser, part));
  whole.optimiser.dispose();
  halves.optimiser.dispose();
});

test("an abort in the middle of a report's steps finishes the one under way and reports it", async () => {
  const stop = new AbortController();
  let batches = 0;
  const options = problem({
    every: 100,
    signal: stop.signal,
    batch: async () => {
      if (++batches === 8) stop.abort();
      return tensor([4], GOAL);
    },
  });
  const reports = await run(options);
  expect(reports.map(({ step }) => step)).toEqual([7]); // batch 8 is made while step 7 runs
  options.optimiser.dispose();
});

test("a loss that is not a number stops it, the steps named", async () => {
  let batches = 0;
  const options = problem({
    every: 5,
    batch: async () => tensor([4], ++batches === 8 ? [Number.NaN, 0, 0, 0] : GOAL),
  });
  const reports: Report[] = [];
  await expect(async () => {
    for await (const report of loop(options)) reports.push(report);
  }).rejects.toThrow("the loss is NaN between steps 5 and 10; lower --lr");
  expect(reports.map(({ step }) => step)).toEqual([5]);
  options.optimiser.dispose();
});

test("a batch that cannot be made ends it with that error, at the step that needs it", async () => {
  const options = problem({
    every: 1,
    batch: async (r) => {
      if (r.number() === rng(0).fork(6).number()) throw new Error("no such file");
      return tensor([4], GOAL);
    },
  });
  const reports: Report[] = [];
  await expect(async () => {
    for await (const report of loop(options)) reports.push(report);
  }).rejects.toThrow("no such file");
  expect(reports.map(({ step }) => step)).toEqual([1, 2, 3]);
  options.optimiser.dispose();
});

test("who leaves the loop early leaves nothing behind", async () => {
  const options = problem({ every: 1 });
  const live = fixture.gpu.live;
  for await (const { step } of loop(options)) if (step === 2) break;
  expect(fixture.gpu.live).toBe(live);
  options.optimiser.dispose();
});
