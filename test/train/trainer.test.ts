import { expect, test } from "vitest";
import { add, broadcastTo, mul } from "../../kernels/broadcast.ts";
import { concat } from "../../kernels/concat.ts";
import { log, sqrt, square } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { type Rng, rng } from "../../kernels/random.ts";
import { mean } from "../../kernels/reduce.ts";
import { reshape } from "../../kernels/reshape.ts";
import { flat } from "../../src/tensor/flat.ts";
import { scope } from "../../src/tensor/scope.ts";
import { type Tensor, tensor, upload } from "../../src/tensor/tensor.ts";
import { checkpointBytes, loadCheckpoint } from "../../src/train/checkpoint.ts";
import { hostAdam, hostState } from "../../src/train/host_adam.ts";
import { measure } from "../../src/train/measure.ts";
import type { Optimiser } from "../../src/train/optimiser.ts";
import type { At, Recipe } from "../../src/train/recipe.ts";
import { type Report, type Training, type TrainOptions, train, training } from "../../src/train/trainer.ts";
import { withGpu } from "../lib/gpu.ts";

const fixture = withGpu();

const GOAL = [1, -2, 0.5, 3];
const start = () => {
  const params = flat({ p: [4] });
  upload(params.tree.p as Tensor, new Float32Array(4));
  return params;
};
/** Four numbers looking for GOAL, which a batch gives. */
const parabola: Recipe<Tensor> = {
  name: "parabola",
  init: start,
  batch: async () => tensor([4], GOAL),
  loss: (p, batch) => mean(square(lincomb(1, p.p as Tensor, -1, batch))),
};
interface Problem {
  run: Training<Tensor>;
  options: TrainOptions;
}
const problem = (change: Partial<Recipe<Tensor>> = {}, options: Partial<TrainOptions> = {}, seed = 0): Problem => ({
  run: training({ ...parabola, ...change }, { seed }),
  options: { schedule: { lr: 0.1, warmup: 5, lrEnd: 1e-3, steps: 200 }, ...options },
});
async function run({ run, options }: Problem, change: Partial<TrainOptions> = {}): Promise<Report[]> {
  const reports: Report[] = [];
  for await (const report of train(run, { ...options, ...change })) reports.push(report);
  return reports;
}
const end = (...all: Problem[]) => {
  for (const { run } of all) run[Symbol.dispose]();
};
const numbers = async ({ run }: Problem, part: "params" | "ema" = "params") => [
  ...(await (run.optimiser[part].tree.p as Tensor).read()),
];

test("a parabola's bottom is found; reports come on time and hold means", async () => {
  const whole = problem({}, { every: 60 });
  const reports = await run(whole);
  expect(reports.map(({ step }) => step)).toEqual([60, 120, 180, 200]);
  expect(reports[0]).toMatchObject({ steps: 200 });
  expect((reports.at(-1) as Report).loss).toBeLessThan(1e-5);
  expect((reports.at(-1) as Report).lr).toBeCloseTo(1e-3, 9);
  (await numbers(whole)).forEach((v, i) => {
    expect(v).toBeCloseTo(GOAL[i] as number, 2);
  });
  const away = (await numbers(whole, "ema")).map((v, i) => Math.abs(v - (GOAL[i] as number)));
  expect(Math.max(...away)).toBeLessThan(0.5);

  const schedule = { lr: 0.1, warmup: 0, lrEnd: 0.1, steps: 3 };
  const [one, all] = [problem({}, { every: 1, schedule }), problem({}, { every: 3, schedule })];
  const each = await run(one);
  const [sum] = await run(all);
  const losses = each.map(({ loss }) => loss);
  expect(sum?.loss).toBeCloseTo(losses.reduce((a, b) => a + b) / 3, 6);
  expect(losses[0]).toBeCloseTo(GOAL.reduce((s, v) => s + v * v, 0) / 4, 6);
  // the gradient of the mean of (p - goal)^2 at 0 is -goal/2
  expect(each[0]?.norm).toBeCloseTo(Math.hypot(...GOAL) / 2, 5);
  expect(sum?.norm).toBe(each[0]?.norm);
  end(whole, one, all);
});

const noisy = (seen: number[] = []): Partial<Recipe<Tensor>> => ({
  batch: async (r: Rng) => {
    seen.push(r.number());
    return r.normal([4]);
  },
  loss: (p, batch, { random }) => mean(square(lincomb(1, p.p as Tensor, -1, mul(batch, random.uniform([4]))))),
});
const few = (steps = 12) => ({ every: 1, schedule: { lr: 0.1, warmup: 3, lrEnd: 1e-3, steps } });

test("step k draws from its own streams, so a run in two halves gives the same bits", async () => {
  const seen: number[] = [];
  const whole = problem(noisy(seen), few(), 11);
  const losses = (await run(whole)).map(({ loss }) => loss);
  expect(seen).toEqual(
    Array.from({ length: 12 }, (_, k) =>
      rng(11)
        .fork(2 * k)
        .number(),
    ),
  );

  const halves = problem(noisy(), few(), 11);
  const stop = new AbortController();
  const first: Report[] = [];
  for await (const report of train(halves.run, { ...halves.options, signal: stop.signal })) {
    first.push(report);
    if (report.step === 4) stop.abort();
  }
  expect(first.map(({ step }) => step)).toEqual([1, 2, 3, 4]);
  const second = await run(halves);
  expect(second.map(({ step }) => step)).toEqual([5, 6, 7, 8, 9, 10, 11, 12]);
  expect([...first, ...second].map(({ loss }) => loss)).toEqual(losses);
  for (const part of ["params", "ema"] as const)
    expect(await numbers(halves, part)).toEqual(await numbers(whole, part));
  end(whole, halves);
});

test("an abort in the middle of a report's steps finishes the one under way and reports it", async () => {
  const stop = new AbortController();
  let batches = 0;
  const batch = async () => {
    if (++batches === 8) stop.abort();
    return tensor([4], GOAL);
  };
  const stopped = problem({ batch }, { every: 100, signal: stop.signal });
  expect((await run(stopped)).map(({ step }) => step)).toEqual([7]); // batch 8 is made while step 7 runs
  end(stopped);
});

test("micro-batches are averaged: three of one picture are a batch of three", async () => {
  const seen: number[] = [];
  const rows: Partial<Recipe<Tensor>> = {
    batch: async (r) => {
      seen.push(r.number());
      return r.normal([1, 4]);
    },
    loss: (p, batch) => mean(square(lincomb(1, broadcastTo(p.p as Tensor, batch.shape), -1, batch))),
  };
  const parts = problem(rows, { ...few(2), accumulate: 3 }, 5);
  const reports = await run(parts);
  expect(seen).toEqual(
    Array.from({ length: 6 }, (_, k) =>
      rng(5)
        .fork(2 * k)
        .number(),
    ),
  );
  let step = 0;
  const together: Partial<Recipe<Tensor>> = {
    ...rows,
    batch: async () => {
      const from = 3 * step++;
      return scope(() =>
        concat(
          [0, 1, 2].map((i) => {
            const r = rng(5).fork(2 * (from + i));
            r.number();
            return r.normal([1, 4]);
          }),
          0,
        ),
      );
    },
  };
  const one = problem(together, few(2));
  const wanted = await run(one);
  reports.forEach((report, i) => {
    expect(report.loss).toBeCloseTo(wanted[i]?.loss as number, 5);
    expect(report.norm).toBeCloseTo(wanted[i]?.norm as number, 5);
  });
  const [got, want] = [await numbers(parts), await numbers(one)];
  got.forEach((v, i) => {
    expect(v).toBeCloseTo(want[i] as number, 5);
  });
  end(parts, one);
});

test("prepare runs before the gradient, outside scopes, and what it gives is freed", async () => {
  const order: string[] = [];
  const prepared = problem(
    {
      async prepare(params, batch, { step, random }) {
        order.push(`prepare ${step}`);
        await (params.p as Tensor).read();
        random.number();
        return lincomb(2, batch);
      },
      loss(p, batch, { step, random }) {
        order.push(`loss ${step}`);
        expect(random.state().call).toBe(1); // goes on where prepare stopped
        return parabola.loss(p, batch, {} as At);
      },
    },
    few(2),
  );
  const [{ loss } = { loss: 0 }] = await run(prepared);
  expect(order).toEqual(["prepare 0", "loss 0", "prepare 1", "loss 1"]);
  expect(loss).toBeCloseTo(GOAL.reduce((s, v) => s + 4 * v * v, 0) / 4, 5);
  end(prepared);
});

test("numbers of the host are learned in float64, from gradients that come back with the loss", async () => {
  const seen: number[] = [];
  const withScalar = (): Problem =>
    problem(
      {
        scalars: { t: 0.25, rho: 2 },
        loss(p, batch, { scalars }) {
          seen.push(scalars.t as number);
          expect((p.t as Tensor).shape).toEqual([1]);
          const own = mean(square(lincomb(1, p.p as Tensor, -1, batch)));
          // (t - 1)^2 + (rho + 1)^2
          const t = square(add(p.t as Tensor, tensor([1], [-1])));
          const rho = square(add(p.rho as Tensor, tensor([1], [1])));
          return lincomb(1, reshape(own, [1]), 1, t, 1, rho);
        },
      },
      { every: 1, schedule: { lr: 0.05, warmup: 0, lrEnd: 0.05, steps: 6 } },
    );
  const whole = withScalar();
  const reports = await run(whole);
  // float64 Adam on the same two parabolas
  let state = hostState({ t: 0.25, rho: 2 });
  reports.forEach(({ scalars }, step) => {
    const { t, rho } = state.values as { t: number; rho: number };
    state = hostAdam(
      state,
      { t: 2 * (t - 1), rho: 2 * (rho + 1) },
      { step, lr: 0.05, emaDecay: (1 + step) / (10 + step) },
    );
    expect(scalars?.t).toBeCloseTo(state.values.t as number, 6);
    expect(scalars?.rho).toBeCloseTo(state.values.rho as number, 6);
  });
  expect(whole.run.scalars.ema.t).toBeCloseTo(state.ema.t as number, 6);
  expect(seen).toEqual([0.25, ...reports.slice(0, -1).map(({ scalars }) => scalars?.t)]);

  // stopped after three, saved and loaded elsewhere
  const half = withScalar();
  for await (const { step } of train(half.run, half.options)) if (step === 3) break;
  const other = withScalar();
  await loadCheckpoint(await checkpointBytes(half.run), other.run);
  await run(other);
  expect(other.run.scalars).toEqual(whole.run.scalars);
  expect(await numbers(other)).toEqual(await numbers(whole));
  end(whole, half, other);
});

test("recipe and judge take turns, each with its own Adam, and a resumed run has the same bits", async () => {
  const turns: string[] = [];
  const duel = (): Problem =>
    problem(
      {
        loss(p, batch, { judge, step }) {
          turns.push(`recipe ${step}`);
          return mean(square(lincomb(1, p.p as Tensor, -1, batch, -1, judge?.q as Tensor)));
        },
        adversary: {
          adam: { rate: 0.5 },
          init() {
            const params = flat({ q: [4] });
            upload(params.tree.q as Tensor, [1, 1, 1, 1]);
            return params;
          },
          loss(params, _, { judged, step }) {
            turns.push(`judge ${step}`);
            return mean(square(lincomb(1, params.q as Tensor, -1, judged.p as Tensor)));
          },
        },
      },
      { every: 1, emaDecay: 0, schedule: { lr: 0.1, warmup: 0, lrEnd: 0.1, steps: 6 } },
    );
  const whole = duel();
  const reports = await run(whole);
  expect(turns).toEqual(["recipe 0", "judge 1", "recipe 2", "judge 3", "recipe 4", "judge 5"]);
  // Adam's first step is its rate long: p goes 0.1 towards goal + 1, then q 0.05 towards p
  const first = duel();
  for await (const { step } of train(first.run, first.options)) if (step === 2) break;
  const q = ({ run: { judge } }: Problem) => (judge as Optimiser).params.tree.q?.read();
  expect([...(await numbers(first))].map((v) => Number(v.toFixed(5)))).toEqual([0.1, -0.1, 0.1, 0.1]);
  expect([...((await q(first)) ?? [])].map((v) => Number(v.toFixed(5)))).toEqual([0.95, 0.95, 0.95, 0.95]);
  expect(reports[1]?.loss).toBe(reports[0]?.loss);
  expect(reports[1]?.judgeLoss).toBeCloseTo((0.9 ** 2 * 3 + 1.1 ** 2) / 4, 5);
  expect(reports[0]).not.toHaveProperty("judgeLoss");
  const other = duel();
  await loadCheckpoint(await checkpointBytes(first.run), other.run);
  await run(other);
  expect(await numbers(other)).toEqual(await numbers(whole));
  expect(await q(other)).toEqual(await q(whole));
  end(whole, first, other);
});

const bad = (x: number): Promise<Tensor> => Promise.resolve(tensor([4], [x, 0, 0, 0]));

test("a batch that is not finite stops it before anything changes, and is named", async () => {
  let batches = 0;
  const stopped = problem({ batch: async () => (++batches >= 8 ? bad(Number.NaN) : bad(1)) }, { every: 5 });
  const steps: number[] = [];
  let before: number[] = [];
  await expect(async () => {
    for await (const { step } of train(stopped.run, stopped.options)) {
      steps.push(step);
      before = await numbers(stopped);
    }
  }).rejects.toThrow("train: the loss is NaN in step 8; first not finite: the batch [4]; lower the learning rate");
  expect(steps).toEqual([5]);
  expect(stopped.run.step).toBe(7);
  for (const part of ["params", "ema"] as const)
    expect((await numbers(stopped, part)).every(Number.isFinite)).toBe(true);
  expect(await numbers(stopped)).not.toEqual(before); // steps 6 and 7 counted
  end(stopped);
});

test("the op on the way to the loss, or back, whose result is not finite is named", async () => {
  const forward = problem({ loss: (p, batch) => mean(log(square(lincomb(0, p.p as Tensor, 0, batch)))) }, few());
  await expect(run(forward)).rejects.toThrow(
    /the loss is -?(NaN|Infinity) in step 1; first not finite: elementwise log \[4\], op 3 of 4 on the way to the loss/,
  );
  expect(await numbers(forward)).toEqual([0, 0, 0, 0]);
  // d sqrt(x)/dx at 0: the loss is finite, its gradient is not
  const back = problem({ loss: (p) => mean(sqrt(p.p as Tensor)) }, few());
  await expect(run(back)).rejects.toThrow(
    /the gradient's norm is (NaN|Infinity) in step 1; first not finite: .*\[4\], op \d+ of \d+ on the way back; the gradient of p \[4\]/,
  );
  for (const part of ["params", "ema"] as const) expect(await numbers(back, part)).toEqual([0, 0, 0, 0]);
  end(forward, back);
});

test("a batch that cannot be made ends it with that error, at the step that needs it", async () => {
  const broken = problem(
    {
      batch: async (r) => {
        if (r.number() === rng(0).fork(6).number()) throw new Error("no such file");
        return tensor([4], GOAL);
      },
    },
    { every: 1 },
  );
  const steps: number[] = [];
  await expect(async () => {
    for await (const { step } of train(broken.run, broken.options)) steps.push(step);
  }).rejects.toThrow("no such file");
  expect(steps).toEqual([1, 2, 3]);
  end(broken);
});

test("measure takes real steps and tells numbers, memory and time, whatever the schedule", async () => {
  const one = problem({}, few(100));
  const told = await measure(one.run, one.options);
  expect(told).toMatchObject({ parameters: 4, judge: 0 });
  expect(told.secondsPerStep).toBeGreaterThan(0);
  expect(told.peakBytes).toBeGreaterThan(5 * 256);
  expect(one.run.step).toBe(2);
  end(one);
});

test("who leaves early leaves nothing behind", async () => {
  const left = problem({}, { every: 1 });
  const live = fixture.gpu.live;
  for await (const { step } of train(left.run, left.options)) if (step === 2) break;
  expect(fixture.gpu.live).toBe(live);
  end(left);
});
