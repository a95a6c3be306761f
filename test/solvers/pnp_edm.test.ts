import { describe, expect, test } from "vitest";
import { lincomb } from "../../kernels/lincomb.ts";
import { gaussian } from "../../src/diffusion/gaussian.ts";
import { karras } from "../../src/diffusion/schedules.ts";
import { type LinearOperator, linear, type Operator } from "../../src/linalg/operator.ts";
import { type PnpEdmOptions, pnpEdm, pnpEdmPresets } from "../../src/solvers/pnp_edm.ts";
import { type Problem, restore, run, type Step } from "../../src/solvers/solver.ts";
import { dispose } from "../../src/tensor/scope.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { withGpu } from "../lib/gpu.ts";
import { exact, expectMoments, gain, moments, problemOf, solved, type Toy } from "../lib/toy.ts";

withGpu();
const toys: Toy[] = [
  { c: 0.25, s: 1, y: 0.6 },
  { c: 0.25, s: 0.5, y: 0.3 },
  { c: 0.04, s: 0.2, y: 0.05 },
];
/** Where the split chain rests when the prior's chain is exact: the posterior under noise of variance sigmaNoise^2 + s^2 rho^2. */
const split = (toy: Toy, rho: number) => exact({ ...toy, sigmaNoise: Math.hypot(0.05, toy.s * rho) });
const solve = (toy: Toy, options: PnpEdmOptions) =>
  solved(pnpEdm(options), { ...toy, shape: [1, 64, 64, 1], denoiser: gaussian({ variance: toy.c }) });

/** Mean and std of the last iterate, which are those of a chain of linear steps. */
function recursion({ c, s, y }: Toy, options: PnpEdmOptions) {
  const { steps = 100, rho = 10, decay = 0.9, rhoMin = 0.3, gridSteps = 100, chain = "ancestral" } = options;
  let [mean, variance] = [(s * y) / (s * s + 0.01), 0];
  for (let k = 0; k < steps; k++) {
    const r = Math.max(rho * decay ** k, rhoMin);
    const precision = (s / 0.05) ** 2 + 1 / r ** 2;
    mean = ((s * y) / 0.05 ** 2 + mean / r ** 2) / precision;
    variance = variance / (r * r * precision) ** 2 + 1 / precision;
    const below = karras(gridSteps, { sigmaMin: 0.002, sigmaMax: 80 }).filter((level) => level < r);
    const path = chain === "ancestral" ? [r, ...below] : below;
    for (let i = 0; i + 1 < path.length; i++) {
      const [at, t] = [path[i] as number, path[i + 1] as number];
      const keep = chain === "ancestral" ? (t / at) ** 2 : 1 - (2 * (at - t)) / at;
      const factor = keep + (1 - keep) * gain(c, at);
      mean *= factor;
      const fresh = chain === "ancestral" ? t * t * (1 - keep) : t && 2 * at * (at - t);
      variance = factor ** 2 * variance + fresh;
    }
  }
  return { mean, std: Math.sqrt(variance) };
}

describe("against the posterior of y = s x + .05 n", () => {
  const tabulated = [
    [0, 0.3, 0.436, 0.265],
    [1, 0.3, 0.426, 0.272],
    [2, 0.3, 0.049, 0.184],
    [0, 0.03, 0.592, 0.058],
    [1, 0.03, 0.574, 0.103],
    [2, 0.03, 0.096, 0.156],
  ] as const;
  test.each(tabulated)(
    "the recursion of toy %s is the tabulated one, as published, rhoMin %s: %s, %s",
    (at, rhoMin, mean, std) => {
      const want = recursion(toys[at] as Toy, { ...pnpEdmPresets.linear, rhoMin });
      expect(Math.abs(want.mean - mean)).toBeLessThan(0.002);
      expect(Math.abs(want.std - std)).toBeLessThan(0.002);
    },
  );

  test.each(toys)("as published, from rho 1 in 30 steps: %o", async (toy) => {
    const options = { ...pnpEdmPresets.linear, steps: 30, rho: 1 };
    expectMoments("pnp-edm published", await solve(toy, options), recursion(toy, options), 0.045);
  });

  test.each(toys)("ancestral, rhoMin .1: %o", async (toy) => {
    const options = { rho: 1, decay: 0.7, rhoMin: 0.1, steps: 30, gridSteps: 40 };
    const { mean, std } = exact(toy);
    const what = `pnp-edm ancestral, posterior ${mean.toFixed(4)} and ${std.toFixed(4)}`;
    expectMoments(what, await solve(toy, options), recursion(toy, options), 0.045);
  });

  test.each(toys)("it nears the posterior as rho falls and the grid grows: %o", (toy) => {
    const rests = [40, 400, 1000].map((gridSteps) => recursion(toy, { rho: 1, rhoMin: 0.1, gridSteps }));
    const want = split(toy, 0.1);
    const off = rests.map(({ std }) => Math.abs(std / want.std - 1));
    expect(off[2]).toBeLessThan(0.02);
    expect(off[1]).toBeLessThan((off[0] as number) / 4);
    const near = recursion(toy, { rho: 1, decay: 0.97, rhoMin: 0.01, steps: 400, gridSteps: 1000 });
    expect(Math.abs(near.std / exact(toy).std - 1)).toBeLessThan(0.04);
    expect(Math.abs(near.mean / exact(toy).mean - 1)).toBeLessThan(0.01);
  });
});

test("an operator without closed forms: the same draws through conjugate gradients", async () => {
  const problem = problemOf({ ...(toys[1] as Toy), shape: [1, 64, 64, 1] });
  const { domain, range, apply, adjoint } = problem.A;
  const bare: LinearOperator = linear({ domain, range, apply, adjoint });
  const options = pnpEdm({ steps: 4, rho: 1, decay: 0.5, rhoMin: 0.1, gridSteps: 10 });
  const [a, b] = [
    await restore(problem, options, { seed: 1 }),
    await restore({ ...problem, A: bare }, options, { seed: 1 }),
  ];
  const [x, z] = [await a.read(), await b.read()];
  dispose([a, b, problem.y]);
  const off = Math.sqrt(x.reduce((sum, v, i) => sum + (v - (z[i] as number)) ** 2, 0) / x.length);
  expect(off).toBeLessThan(1e-5);
});

test("an operator of which only the gradient is known: Langevin finds the same posterior", async () => {
  const toy = toys[1] as Toy;
  const problem = problemOf({ ...toy, shape: [1, 32, 32, 1] });
  const { domain, range } = problem.A;
  const A: Operator = { domain, range, apply: (x) => lincomb(toy.s, x) };
  const options = { steps: 25, rho: 0.5, decay: 0.8, rhoMin: 0.1, gridSteps: 30 };
  const solver = pnpEdm({ ...options, langevin: 25, rate: 1e-3 });
  const x = await restore<Problem<Operator>>({ ...problem, A }, solver, { seed: 2 });
  const got = moments(await x.read());
  dispose([x, problem.y]);
  const want = recursion(toy, options);
  console.log(
    `pnp-edm langevin: ${got.mean.toFixed(4)} (${want.mean.toFixed(4)}), ${got.std.toFixed(4)} (${want.std.toFixed(4)})`,
  );
  expect(Math.abs(got.mean - want.mean)).toBeLessThan(0.03);
  expect(Math.abs(got.std / want.std - 1)).toBeLessThan(0.1);
});

test("its state carries mean and deviation of the iterates after burn-in", async () => {
  const problem = problemOf({ ...(toys[0] as Toy), shape: [1, 8, 8, 1] });
  const seen: Float32Array[] = [];
  let last: Step | undefined;
  for await (const step of run(pnpEdm({ steps: 7, burnIn: 3, gridSteps: 8 }), problem, { seed: 3 })) {
    if (step.i >= 3) seen.push(await step.x.read());
    last = step;
  }
  const state = last as Step & { mean: Tensor; deviation: Tensor };
  const [mean, deviation] = [await state.mean.read(), await state.deviation.read()];
  expect(seen).toHaveLength(4);
  for (let k = 0; k < 64; k++) {
    const want = moments(seen.map((x) => x[k] as number));
    expect(mean[k]).toBeCloseTo(want.mean, 5);
    expect(deviation[k]).toBeCloseTo(want.std, 5);
  }
  dispose(last);
  const x = await restore(problem, pnpEdm({ steps: 7, burnIn: 3, gridSteps: 8, estimate: "mean" }), { seed: 3 });
  expect(await x.read()).toEqual(mean);
  dispose([x, problem.y]);
});
