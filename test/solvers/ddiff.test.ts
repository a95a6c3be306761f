import { expect, test } from "vitest";
import { affine, square } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { rng } from "../../kernels/random.ts";
import { gaussian } from "../../src/diffusion/gaussian.ts";
import { ddpmLevels, ddpmTable, karras, quadTimes } from "../../src/diffusion/schedules.ts";
import type { LinearOperator, Operator } from "../../src/linalg/operator.ts";
import { blur } from "../../src/physics/blur.ts";
import { type DdiffOptions, ddiff, ddiffHqs, ddiffPresets } from "../../src/solvers/ddiff.ts";
import { diffPnpAdmm, diffPnpHqs } from "../../src/solvers/diff_pnp.ts";
import { diffpir } from "../../src/solvers/diffpir.ts";
import { type Problem, restore, type Solver } from "../../src/solvers/solver.ts";
import { dispose, scope } from "../../src/tensor/scope.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { relativeL2 } from "../lib/close.ts";
import { withGpu } from "../lib/gpu.ts";
import { CASES, draws, exact, gain, moments, report, SEED, SIGMA, solve } from "../lib/posterior_toy.ts";

withGpu();

const { sigma: table } = ddpmTable();
const at = (t: number) => table[t] as number;
/** Two pictures of 90 numbers: data steps are as long in each. */
const small = [2, 6, 5, 3] as const;
const N = 90;
const steps = 25;
const levels = [...karras(steps, { sigmaMin: 0.01, sigmaMax: 40 })];
const clamp = (v: number) => Math.max(-1, Math.min(1, v));
/** Each picture's part of g over its norm. */
const unit = (g: readonly number[]) => {
  const norms = [0, 1].map((b) => Math.hypot(...g.slice(N * b, N * (b + 1))));
  return g.map((v, k) => v / (norms[k < N ? 0 : 1] as number));
};
/** y = s x, and y = (x/2 + 1/2)^2: gradients of the misfit. */
const slope = (s: number, y: number) => (v: number) => s * (s * v - y);
const squaredSlope = (y: number) => (v: number) => (((v + 1) / 2) ** 2 - y) * ((v + 1) / 2);

type Options = Required<Pick<DdiffOptions, "gamma" | "relaxBelow" | "quietBelow" | "dual">> & { zeta?: number };

/** DDiff in doubles, from the equations. */
function reference(
  c: number,
  ofMisfit: (v: number) => number,
  noise: Awaited<ReturnType<typeof draws>>,
  { gamma, relaxBelow, quietBelow, zeta, dual }: Options,
) {
  let x = Array.from(noise.first, (z) => (levels[0] as number) * z);
  let u = x.map(() => 0);
  for (let i = 0; i < steps; i++) {
    const [l, t] = [levels[i] as number, levels[i + 1] as number];
    const z = x.map((v) => clamp(gain(l, c) * v));
    const v = z.map((a, k) => a - (u[k] as number));
    const g = unit(v.map(ofMisfit));
    const length = gamma * (l > relaxBelow ? 3.3 : 0.1) * Math.sqrt(N / 196608);
    const x0 = v.map((a, k) => a - length * (g[k] as number));
    const eps = x.map((a, k) => (a - (x0[k] as number)) / l);
    // sigma_t^2 and the rest as printed, for x_t = x/sqrt(1 + l^2)
    const [ab, before] = [1 / (1 + l * l), 1 / (1 + t * t)];
    const st2 = zeta === undefined ? ((1 - before) / (1 - ab)) * (1 - ab / before) : zeta * (1 - before);
    const old = Math.sqrt(Math.max(0, 1 - before - st2));
    const fresh = l > quietBelow ? Math.sqrt(st2) : 0;
    const w = noise.at(i)[0] as Float32Array;
    const next = (a: number, k: number) => old * (eps[k] as number) + fresh * (w[k] as number) + Math.sqrt(before) * a;
    x = x0.map((a, k) => next(a + (u[k] as number), k) / Math.sqrt(before));
    if (dual) u = u.map((a, k) => a + (x0[k] as number) - (z[k] as number));
  }
  return x;
}

test.each([
  ["ddiff", { gamma: 20, relaxBelow: 0.3, quietBelow: 0.1, dual: true }],
  ["ddiff, renewing all noise", { gamma: 20, relaxBelow: 0.3, quietBelow: 0.02, zeta: 1, dual: true }],
  ["ddiff-hqs", { gamma: 20, relaxBelow: 0.3, quietBelow: 0.1, dual: false }],
] as const)("%s follows its equations number by number", async (name, options) => {
  const noise = await draws(small, steps);
  const want = reference(0.25, slope(0.5, 0.3), noise, options);
  const got = await solve(ddiff({ steps, levels, ...options }), [0.25, 0.5, 0.3], small, { sigmaMax: 40 });
  console.log(`${name}: error ${relativeL2(got, want).toExponential(1)}`);
  expect(relativeL2(got, want)).toBeLessThan(1e-4);
});

test.each([
  [CASES[0], 0.598, 0.157],
  [CASES[2], 0.251, 0.071],
] as const)("ddiff as published, c s y = %s: tabulated %s +- %s", async (on, mean, std) => {
  // one picture of 3072 numbers: the table is such a run too, so both are known to 2 %
  const got = moments(await solve(ddiff(ddiffPresets.ffhq.gaussian), on, [1, 32, 32, 3]));
  const { mean: m, std: d } = exact(on);
  report(`ddiff, exact ${m.toFixed(3)} +- ${d.toFixed(3)}`, { mean, std }, got);
  expect(Math.abs(got.mean - mean)).toBeLessThan(0.01 * mean + (4 * std) / Math.sqrt(3072));
  expect(Math.abs(got.std / std - 1)).toBeLessThan(0.06);
});

/** A with one gradient step in place of its prox. */
const linearised = (A: LinearOperator): LinearOperator => ({
  ...A,
  prox: (v, y, rho) => scope(() => lincomb(1, v, -1 / rho, A.adjoint(lincomb(1, A.apply(v), -1, y)))),
});

test.each([1, 0.3])("ddiff-hqs is diffpir with its prox linearised, zeta %s", async (zeta) => {
  const shape = [2, 12, 10, 3];
  const vp = ddpmLevels(quadTimes);
  const problem = scope(() => {
    const A = blur(shape, { gaussian: 1 });
    return {
      A,
      y: A.apply(rng(3).uniform(shape, { low: -0.8, high: 0.8 })),
      sigmaNoise: SIGMA,
      denoiser: gaussian({ channels: 3, sigmaMax: 160 }),
    };
  });
  const start = { x: scope(() => lincomb(at(999), rng(4).normal(shape))) };
  const common = { steps: 40, levels: vp, zeta, lambda: 2e4, clip: true };
  const a = await restore(problem, ddiffHqs(common), { start });
  const b = await restore({ ...problem, A: linearised(problem.A) }, diffpir(common), { start });
  const error = relativeL2(await a.read(), await b.read());
  console.log(`ddiff-hqs against linearised diffpir, zeta ${zeta}: ${error.toExponential(1)}`);
  expect(error).toBeLessThan(1e-5);
  dispose([a, b, problem.A.holds, problem.y, start.x]);
});

test.each([
  ["diff-pnp-admm", diffPnpAdmm, true],
  ["diff-pnp-hqs", diffPnpHqs, false],
] as const)("%s follows its equations number by number", async (name, solver, dual) => {
  const [c, s, y] = [0.25, 0.5, 0.3] as const;
  const { first } = await draws(small, 0);
  let x = [...first] as number[];
  let u = x.map(() => 0);
  for (let i = 0; i < steps; i++) {
    const l = levels[i] as number;
    // eq. 8: (x + u + (1 - ab) score)/sqrt(ab), the score of x_t being -(x_t - sqrt(ab) x0)/(1 - ab)
    const z = x.map((v, k) => clamp(gain(l, c) * Math.sqrt(1 + l * l) * (v + (u[k] as number))));
    const v = z.map((a, k) => a - (u[k] as number));
    const g = unit(v.map(slope(s, y)));
    const length = 20 * (l > 0.3 ? 3.3 : 0.1) * Math.sqrt(N / 196608);
    x = v.map((a, k) => a - length * (g[k] as number));
    if (dual) u = u.map((a, k) => a + (x[k] as number) - (z[k] as number));
  }
  const got = await solve(solver({ steps, levels, gamma: 20, relaxBelow: 0.3 }), [c, s, y], small, { sigmaMax: 40 });
  console.log(`${name}: error ${relativeL2(got, x).toExponential(1)}`);
  expect(relativeL2(got, x)).toBeLessThan(1e-4);
});

test("ddiff takes an operator that has no adjoint", async () => {
  const options = { gamma: 20, relaxBelow: 0.3, quietBelow: 0.1, dual: true };
  const want = reference(0.25, squaredSlope(0.4), await draws(small, steps), options);
  const side = small.slice(1);
  const A: Operator = { name: "squared", domain: side, range: side, apply: (x) => square(affine(x, 0.5, 0.5)) };
  const y = tensor(small, new Float32Array(2 * N).fill(0.4));
  const denoiser = gaussian({ channels: 3, sigmaMax: 40 });
  const solver: Solver<Problem<Operator>> = ddiff({ steps, levels, ...options });
  const x = await restore({ A, y, sigmaNoise: SIGMA, denoiser }, solver, { seed: SEED });
  const got = await x.read();
  dispose([x, y]);
  console.log(`ddiff, squared brightness: error ${relativeL2(got, want).toExponential(1)}`);
  expect(relativeL2(got, want)).toBeLessThan(1e-4);
});
