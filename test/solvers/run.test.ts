import { describe, expect, test } from "vitest";
import { affine } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { rng } from "../../kernels/random.ts";
import { sumSquares } from "../../kernels/reduce.ts";
import { valueAndGrad } from "../../src/autograd/vjp.ts";
import type { Denoiser } from "../../src/diffusion/denoiser.ts";
import { gaussian } from "../../src/diffusion/gaussian.ts";
import { identity } from "../../src/physics/identity.ts";
import { addNoise } from "../../src/physics/noise.ts";
import { ddim } from "../../src/solvers/ddim.ts";
import { diffpir, diffpirPresets } from "../../src/solvers/diffpir.ts";
import { edm } from "../../src/solvers/edm.ts";
import { restore, run, type Solver, type State, type Step } from "../../src/solvers/solver.ts";
import { dispose, scope } from "../../src/tensor/scope.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals } from "../lib/random.ts";

const held = withGpu();
const shape = [1, 6, 5, 3];
const denoiser = gaussian({ channels: 3 });
const sampling = { denoiser, shape };

/** A problem, and everything it holds freed after. */
async function withProblem<T>(
  fn: (p: { y: Tensor; A: ReturnType<typeof identity>; sigmaNoise: number; denoiser: Denoiser }) => Promise<T>,
) {
  const y = tensor(shape, asF32(normals(90, 1)));
  try {
    return await fn({ y, A: identity(shape), sigmaNoise: 0.1, denoiser });
  } finally {
    y.dispose();
  }
}
/** All numbers of the states of a run. */
async function trace(steps: AsyncGenerator<Step>): Promise<number[][]> {
  const seen: number[][] = [];
  let last: Step | undefined;
  for await (const step of steps) {
    seen.push([...(await step.x.read())]);
    last = step;
  }
  dispose(last);
  return seen;
}

test("yields every step with its level, its calls and both pictures", async () => {
  const seen: unknown[] = [];
  let last: Step | undefined;
  for await (const step of run(edm({ steps: 3 }), sampling)) {
    seen.push([step.i, step.steps, step.sigma.toPrecision(3), step.nfe]);
    expect([step.x.shape, step.x0.shape]).toEqual([shape, shape]);
    last = step;
  }
  expect(seen).toEqual([
    [0, 3, "2.52", 2],
    [1, 3, "0.00200", 4],
    [2, 3, "0.00", 5],
  ]);
  dispose(last);
});

test("counts the gradients taken through the network, not those of other things", async () => {
  // one gradient step on |D(x; s)|^2 from every second state, another on |x|^2
  const guided: Solver<{ denoiser: Denoiser; shape: readonly number[] }> = {
    name: "guided",
    steps: 4,
    init: ({ shape }, random) => ({ x: random.normal(shape), x0: random.normal(shape), sigma: 1 }),
    step({ denoiser }, { x }, i) {
      const f = (t: Tensor) => sumSquares(i % 2 ? denoiser(t, 0.5) : t);
      const { grad } = valueAndGrad(f)(x);
      return { x: lincomb(1, x, -0.1, grad), x0: denoiser(x, 0.5), sigma: 0.5 };
    },
  };
  const seen: unknown[] = [];
  let last: Step | undefined;
  for await (const step of run(guided, sampling)) {
    seen.push([step.nfe, step.nbe]);
    last = step;
  }
  dispose(last);
  expect(seen).toEqual([
    [1, 0],
    [3, 1],
    [4, 1],
    [6, 2],
  ]);
});

test("the same seed draws the same numbers, another seed others", async () => {
  const once = (seed: number) => trace(run(ddim({ steps: 4, eta: 1 }), sampling, { seed }));
  const [a, b, other] = [await once(7), await once(7), await once(8)];
  expect(b).toEqual(a);
  expect(other).not.toEqual(a);
});

test("a run resumed from a state goes on exactly as it would have", async () => {
  await withProblem(async (problem) => {
    const solver = diffpir({ steps: 6 });
    const whole = await trace(run(solver, problem, { seed: 3 }));
    const half: State[] = [];
    for await (const { i, x, x0, sigma } of run(solver, problem, { seed: 3 }))
      if (i === 2) {
        half.push(scope(() => ({ x: lincomb(1, x), x0: lincomb(1, x0), sigma })));
        break;
      }
    const rest = await trace(run(solver, problem, { seed: 3, start: half[0] as State, from: 3 }));
    dispose(half);
    expect(rest).toEqual(whole.slice(3));
  });
});

test("samples: one measurement, many draws; the first of each batch is its own", async () => {
  await withProblem(async (problem) => {
    let got: Step | undefined;
    for await (const step of run(diffpir({ steps: 4 }), problem, { samples: 3 })) got = step;
    const x = await (got as Step).x.read();
    expect((got as Step).x.shape).toEqual([3, 6, 5, 3]);
    const thirds = [0, 1, 2].map((k) => [...x.subarray(90 * k, 90 * (k + 1))]);
    expect(thirds[0]).not.toEqual(thirds[1]);
    expect(thirds[1]).not.toEqual(thirds[2]);
    dispose(got);
    await expect(run(edm(), { denoiser, shape: [2, 6, 5, 3] }, { samples: 2 }).next()).rejects.toThrow(
      "2 samples of a batch of 2; the batch must be 1",
    );
  });
});

describe("lifetime", () => {
  test("leaving early frees the state; the generator can be asked inside a scope", async () => {
    const before = held.gpu.live;
    for await (const { i } of run(edm({ steps: 9 }), sampling)) if (i === 3) break;
    expect(held.gpu.live).toBe(before);
    const steps = run(edm({ steps: 9 }), sampling);
    await scope(() => [steps.next()])[0];
    await scope(() => [steps.next()])[0];
    await steps.return();
    expect(held.gpu.live).toBe(before);
  });

  test("an abort ends it, before the first step and between steps", async () => {
    const stop = new AbortController();
    const seen: number[] = [];
    const going = restore(sampling, edm({ steps: 9 }), {
      signal: stop.signal,
      onStep({ i }) {
        seen.push(i);
        if (i === 2) stop.abort();
      },
    });
    await expect(going).rejects.toThrow(expect.objectContaining({ name: "AbortError" }));
    expect(seen).toEqual([0, 1, 2]);
    await expect(restore(sampling, edm(), { signal: stop.signal })).rejects.toThrow(
      expect.objectContaining({ name: "AbortError" }),
    );
  });

  test("an error of the caller's, of the solver's and of the problem's frees everything", async () => {
    const oops = async (i: number) =>
      restore(sampling, edm({ steps: 4 }), {
        onStep(step) {
          if (step.i === i) throw new Error(`no ${i}`);
        },
      });
    await expect(oops(0)).rejects.toThrow("no 0");
    await expect(oops(3)).rejects.toThrow("no 3");
    const bad: Solver<typeof sampling> = { ...edm(), step: (p, { x }) => ({ x, x0: p.denoiser(x, [1, 2]), sigma: 1 }) };
    await expect(restore(sampling, bad)).rejects.toThrow("2 noise levels for 1 samples");
    await withProblem(async (problem) => {
      const A = identity([4, 5, 3]);
      await expect(restore({ ...problem, A }, diffpir())).rejects.toThrow(
        "identity: the measurement must be [N, 4, 5, 3], got [1, 6, 5, 3]",
      );
      await expect(restore({ ...problem, sigmaNoise: -1 }, diffpir())).rejects.toThrow(
        "sigmaNoise must be 0 or more, got -1",
      );
    });
  });

  test("peak memory does not grow with the steps", async () => {
    const peak = async (steps: number) => {
      held.gpu.pool.peakBytes = held.gpu.pool.liveBytes;
      const x = await restore({ denoiser, shape: [1, 64, 64, 3] }, edm({ steps }));
      x.dispose();
      return held.gpu.pool.peakBytes - held.gpu.pool.liveBytes;
    };
    const few = await peak(3);
    expect(await peak(30)).toBe(few);
  });
});

test("a number that is not finite stops it, with the step, the level and the tensor", async () => {
  const calls: number[] = [];
  const breaks = (at: number): Denoiser =>
    Object.assign((x: Tensor, sigma: number | readonly number[]) => {
      calls.push(sigma as number);
      const x0 = denoiser(x, sigma);
      return calls.length === at ? scope(() => lincomb(1, x0, 1, affine(x0, 0, Number.NaN))) : x0;
    }, denoiser);
  for (const [at, message] of [
    [2, "ddim: step 2 of 5, from sigma 3.00, made x and x0 not finite"],
    [5, "ddim: step 5 of 5, from sigma 0.100, made x and x0 not finite"],
  ] as const) {
    calls.length = 0;
    const got = restore({ denoiser: breaks(at), shape }, ddim({ steps: 5, levels: [9, 3, 1, 0.5, 0.1, 0] }));
    await expect(got).rejects.toThrow(message);
    // one step late at most
    expect(calls.length).toBeLessThanOrEqual(at + 1);
  }
  await withProblem(async (problem) => {
    const y = tensor(shape, asF32(normals(90, 1)).fill(Number.NaN, 3, 4));
    await expect(restore({ ...problem, y }, diffpir())).rejects.toThrow(
      "diffpir: the first state made x and x0 not finite",
    );
    y.dispose();
  });
});

test("restore gives the picture, near the posterior mean", async () => {
  await withProblem(async (problem) => {
    const x = await restore(problem, diffpir({ steps: 30, lambda: 1 }), { seed: 1 });
    const [got, y] = [await x.read(), await problem.y.read()];
    x.dispose();
    const mean = y.map((v) => (0.25 / 0.26) * v);
    const rmse = Math.sqrt(got.reduce((sum, v, i) => sum + (v - (mean[i] as number)) ** 2, 0) / got.length);
    expect(rmse).toBeLessThan(0.15); // the posterior's own std is .098
  });
});

test("noise is added in signed units, from the generator given", async () => {
  const y = asF32(normals(30_000, 2));
  const out = await evaluate(() => ({
    noisy: addNoise(tensor([1, 100, 100, 3], y), 0.05, rng(4)),
    z: rng(4).normal([1, 100, 100, 3]),
  }));
  expectClose(
    out.noisy,
    y.map((v, i) => v + 0.05 * (out.z[i] as number)),
    { l2: 1e-6 },
  );
  expect(() => addNoise({} as Tensor, -1, rng(0))).toThrow("addNoise: sigma must be 0 or more, got -1");
});

test("every preset runs, in few steps", async () => {
  await withProblem(async (problem) => {
    for (const preset of Object.values(diffpirPresets)) {
      const x = await restore(problem, diffpir({ ...preset, steps: 5 }));
      expect((await x.read()).every(Number.isFinite)).toBe(true);
      x.dispose();
    }
  });
});
