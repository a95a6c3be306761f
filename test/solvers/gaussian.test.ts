/**
 * Solvers against a prior with an answer key: pixels N(m, c), whose exact denoiser is linear, so that what every solver must
 * give follows from its own recursion in one number. 128^2 pixels are 16,384 chains: their std is known to 0.55 %.
 * Figures marked "tabulated" are from 200,000 chains of a separate program.
 */
import { describe, expect, test } from "vitest";
import { lincomb } from "../../kernels/lincomb.ts";
import { rng } from "../../kernels/random.ts";
import { gaussian } from "../../src/diffusion/gaussian.ts";
import {
  ddpmLevels,
  ddpmTable,
  geometric,
  karras,
  quadTimes,
  uniformTimes,
  vpLevels,
} from "../../src/diffusion/schedules.ts";
import { scale } from "../../src/linalg/operator.ts";
import { identity } from "../../src/physics/identity.ts";
import { ddim } from "../../src/solvers/ddim.ts";
import { diffpir } from "../../src/solvers/diffpir.ts";
import { edm } from "../../src/solvers/edm.ts";
import { pc } from "../../src/solvers/pc.ts";
import { type Problem, type RunOptions, restore, type Sampling, type Solver } from "../../src/solvers/solver.ts";
import { dispose, scope } from "../../src/tensor/scope.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { withGpu } from "../lib/gpu.ts";
import { asF32, normals } from "../lib/random.ts";

withGpu();

const shape = [1, 128, 128, 1] as const;
const c = 0.25;
const prior = gaussian({ variance: c, sigmaMax: 160 });
const gain = (s: number, v = c) => v / (v + s * s);

async function numbers<P extends Problem | Sampling>(solver: Solver<P>, problem: P, options: RunOptions = {}) {
  const x = await restore(problem, solver, { seed: 5, ...options });
  try {
    return await x.read();
  } finally {
    x.dispose();
  }
}
const sample = (solver: Solver<Sampling>, options: RunOptions = {}) =>
  numbers(solver, { denoiser: prior, shape }, options);
function moments(x: Float32Array) {
  const mean = x.reduce((a, b) => a + b, 0) / x.length;
  return { mean, std: Math.sqrt(x.reduce((a, b) => a + (b - mean) ** 2, 0) / x.length) };
}
const report = (what: string, got: { mean: number; std: number }, mean: number, std: number) =>
  console.log(
    `${what}: mean ${got.mean.toFixed(4)} (${mean.toFixed(4)}), std ${got.std.toFixed(4)} (${std.toFixed(4)})`,
  );

/** Within 2 % in std; in mean within what 16,384 chains leave open, four sigma. */
function expectMoments(what: string, x: Float32Array, mean: number, std: number) {
  const got = moments(x);
  report(what, got, mean, std);
  expect(Math.abs(got.mean - mean)).toBeLessThan((4 * std) / 128 + 1e-3);
  expect(got.std / std).toBeGreaterThan(0.98);
  expect(got.std / std).toBeLessThan(1.02);
}

/** One number that a deterministic EDM run multiplies its start by. */
function edmFactor(levels: readonly number[], heun: boolean): number {
  let x = 1;
  for (let i = 0; i + 1 < levels.length; i++) {
    const [s, t] = [levels[i] as number, levels[i + 1] as number];
    const d = (x - gain(s) * x) / s;
    let next = x + (t - s) * d;
    if (heun && t > 0) next = x + ((t - s) * (d + (next - gain(t) * next) / t)) / 2;
    x = next;
  }
  return x;
}

describe("samplers of the prior, std .5", () => {
  test.each([
    ["heun", 18, karras],
    ["euler", 18, karras],
    ["heun", 40, karras],
    ["heun", 25, vpLevels],
    ["euler", 60, geometric],
  ] as const)("edm %s in %s steps follows its recursion number by number", async (method, steps, levels) => {
    const start = asF32(normals(128 * 128, 3));
    const range = { sigmaMin: 0.002, sigmaMax: 80 };
    const x = scope(() => lincomb(80, tensor(shape, start)));
    const got = await sample(edm({ method, steps, levels }), { start: { x } });
    x.dispose();
    const factor = 80 * edmFactor(levels(steps, range), method === "heun");
    expectClose(
      got,
      start.map((v) => factor * v),
      { l2: 1e-5 },
    );
    // all of them come near the std of .5, from either side
    expect(factor).toBeGreaterThan(0.4);
    expect(factor).toBeLessThan(0.6);
  });

  test("edm heun, 18 steps: tabulated .528", async () => expectMoments("edm heun 18", await sample(edm()), 0, 0.528));

  test("edm with churn", async () => {
    const options = { churn: 40, churnMin: 0.05, churnMax: 50, churnNoise: 1.003 };
    const levels = karras(32, { sigmaMin: 0.002, sigmaMax: 80 });
    let v = 80 ** 2;
    for (let i = 0; i < 32; i++) {
      const [s, t] = [levels[i] as number, levels[i + 1] as number];
      const h = s * (1 + (s >= 0.05 && s <= 50 ? Math.min(40 / 32, Math.SQRT2 - 1) : 0));
      v += (h * h - s * s) * 1.003 ** 2;
      const d = (1 - gain(h)) / h;
      let a = 1 + (t - h) * d;
      if (t > 0) a = 1 + ((t - h) * (d + (a * (1 - gain(t))) / t)) / 2;
      v *= a * a;
    }
    expectMoments("edm churn 32", await sample(edm({ steps: 32, ...options })), 0, Math.sqrt(v));
  });

  test("ddim, 50 steps, number by number", async () => {
    const { sigma } = ddpmTable();
    const levels = [...uniformTimes(50).map((t) => sigma[t] as number), 0];
    const factor = levels.slice(1).reduce((x, t, i) => {
      const s = levels[i] as number;
      return x * (gain(s) + (t / s) * (1 - gain(s)));
    }, 1);
    const start = asF32(normals(128 * 128, 4));
    const x = tensor(shape, start);
    expectClose(
      await sample(ddim(), { start: { x } }),
      start.map((v) => factor * v),
      { l2: 1e-5 },
    );
    x.dispose();
  });

  test("ddpm, 1000 steps: tabulated .495", async () => {
    const { sigma } = ddpmTable();
    let v = (sigma[999] as number) ** 2;
    for (let t = 999; t > 0; t--) {
      const ratio = ((sigma[t - 1] as number) / (sigma[t] as number)) ** 2;
      v = v * (ratio + (1 - ratio) * gain(sigma[t] as number)) ** 2 + (sigma[t - 1] as number) ** 2 * (1 - ratio);
    }
    const std = Math.sqrt(v) * gain(sigma[0] as number);
    expect(std).toBeCloseTo(0.495, 2);
    expectMoments("ddpm 1000", await sample(ddim({ steps: 1000, eta: 1 })), 0, std);
  });

  test("pc, 1000 steps, snr .16: tabulated .507", async () => {
    const levels = geometric(1000, { sigmaMin: 0.01, sigmaMax: 50 });
    expectMoments("pc 1000", await sample(pc({ levels })), 0, 0.507);
  });

  test("pc without corrections, ancestral", async () => {
    const levels = geometric(60, { sigmaMin: 0.01, sigmaMax: 50 });
    const v = levels.slice(1).reduce((v, t, i) => {
      const s = levels[i] as number;
      const w = 1 - (t / s) ** 2;
      return (1 - w + w * gain(s)) ** 2 * v + w * t * t;
    }, 2500);
    expectMoments(
      "pc ancestral 60",
      await sample(pc({ steps: 60, corrections: 0, predictor: "ancestral", levels })),
      0,
      Math.sqrt(v),
    );
  });
});

test("ddim with eta 1 is one step of DDPM: its mean and its variance", async () => {
  const { alphaBar: ab, beta, sigma } = ddpmTable();
  const t = 400;
  const i = 999 - t;
  const start = asF32(normals(128 * 128, 6));
  const x = scope(() => lincomb(sigma[t] as number, tensor(shape, start)));
  const z = rng(9)
    .fork(i + 1)
    .normal(shape);
  const solver = ddim({ steps: 1000, eta: 1, levels: ddpmLevels() });
  const problem = { denoiser: prior, shape };
  const next = scope(() => solver.step(problem, { x, x0: x, sigma: sigma[t] as number }, i, rng(9).fork(i + 1)));
  const [got, noise] = [await next.x.read(), await z.read()];
  dispose([x, z, next]);
  const [a, before, b] = [ab[t] as number, ab[t - 1] as number, beta[t] as number];
  const want = start.map((n, k) => {
    const xt = n * (sigma[t] as number) * Math.sqrt(a);
    const x0 = gain(sigma[t] as number) * n * (sigma[t] as number);
    const mean = ((b * Math.sqrt(before)) / (1 - a)) * x0 + (((1 - before) * Math.sqrt(1 - b)) / (1 - a)) * xt;
    return (mean + Math.sqrt((b * (1 - before)) / (1 - a)) * (noise[k] as number)) / Math.sqrt(before);
  });
  expectClose(got, want, { l2: 1e-6 });
});

describe("diffpir against the posterior of y = s x + .05 n", () => {
  const sigmaNoise = 0.05;
  /** What the recursion gives: mean and std after the last step, from noise at the first level. */
  function recursion(
    levels: readonly number[],
    [v, s, y]: readonly [number, number, number],
    lambda: number,
    zeta: number,
    lastData: boolean,
  ) {
    let [mean, variance] = [0, (levels[0] as number) ** 2];
    for (let i = 0; i + 1 < levels.length; i++) {
      const [at, t] = [levels[i] as number, levels[i + 1] as number];
      const rho = lambda * (sigmaNoise / at) ** 2;
      const last = t === 0 && !lastData;
      const [a, b] = last ? [gain(at, v), 0] : [(rho * gain(at, v)) / (s * s + rho), (s * y) / (s * s + rho)];
      const keep = (t / at) * Math.sqrt(1 - zeta);
      const f = keep + (1 - keep) * a;
      mean = f * mean + (1 - keep) * b;
      variance = f * f * variance + zeta * t * t;
    }
    return { mean, std: Math.sqrt(variance) };
  }
  const vp = ddpmLevels(quadTimes) as (n: number, r: { sigmaMin: number; sigmaMax: number }) => number[];
  const levels = vp(100, { sigmaMin: 0.002, sigmaMax: 160 });

  async function solve([v, s, y]: readonly [number, number, number], options: Parameters<typeof diffpir>[0]) {
    const problem = scope(() => ({
      y: tensor(shape, new Float32Array(128 * 128).fill(y)),
      A: scale(s, identity(shape)),
      sigmaNoise,
      denoiser: gaussian({ variance: v, sigmaMax: 160 }),
    }));
    try {
      return await numbers(diffpir(options), problem);
    } finally {
      dispose([problem.y, problem.A]);
    }
  }
  const cases = [
    [[0.25, 1, 0.6], 1, 0.594, 0.043],
    [[0.25, 0.5, 0.3], 1, 0.578, 0.086],
    [[0.04, 0.2, 0.05], 1, 0.133, 0.132],
    [[0.25, 1, 0.6], 7, 0.564, 0.113],
    [[0.25, 0.5, 0.3], 7, 0.49, 0.206],
    [[0.04, 0.2, 0.05], 7, 0.042, 0.172],
  ] as const;
  test.each(cases)("VP form, c s y = %s, lambda %s: tabulated mean %s, std %s", async (at, lambda, mean, std) => {
    const want = recursion(levels, at, lambda, 0.3, false);
    // the table has three digits
    expect(Math.abs(want.mean - mean)).toBeLessThan(0.0015);
    expect(Math.abs(want.std - std)).toBeLessThan(0.0015);
    expectMoments(
      `diffpir vp ${at} lambda ${lambda}`,
      await solve(at, { levels: vp, lambda, zeta: 0.3, lastData: false }),
      want.mean,
      want.std,
    );
  });

  test("VE form, with the data step at the end", async () => {
    const grid = geometric(60, { sigmaMin: 0.02, sigmaMax: 20 }).map((s) => s && Math.max(s, sigmaNoise));
    const want = recursion(grid, [0.25, 0.5, 0.3], 1, 0.6, true);
    const options = {
      steps: 60,
      lambda: 1,
      zeta: 0.6,
      levels: geometric,
      sigmaStart: 20,
      sigmaEnd: 0.02,
      aboveNoise: true,
    };
    expectMoments("diffpir ve", await solve([0.25, 0.5, 0.3], options), want.mean, want.std);
  });
});
