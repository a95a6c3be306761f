import { expect, test } from "vitest";
import { lincomb } from "../../kernels/lincomb.ts";
import { rng } from "../../kernels/random.ts";
import { gaussian } from "../../src/diffusion/gaussian.ts";
import { ddpmLevels, ddpmTable, uniformTimes } from "../../src/diffusion/schedules.ts";
import { linear } from "../../src/linalg/operator.ts";
import { blur } from "../../src/physics/blur.ts";
import { ddnm } from "../../src/solvers/ddnm.ts";
import { ddrm } from "../../src/solvers/ddrm.ts";
import { restore } from "../../src/solvers/solver.ts";
import { dispose, scope } from "../../src/tensor/scope.ts";
import { relativeL2 } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { CASES, type Case, exact, gain, moments, report, SEED, SIGMA, solve } from "../lib/posterior_toy.ts";

withGpu();

const { sigma: table } = ddpmTable();
const grid = (steps: number) => [...uniformTimes(steps).map((t) => table[t] as number), 0];
const many = [1, 128, 128, 1];

function expectMoments(what: string, x: Float32Array, want: { mean: number; std: number }, on: Case) {
  const got = moments(x);
  const { mean, std } = exact(on);
  report(`${what}, exact ${mean.toFixed(3)} +- ${std.toFixed(3)}`, want, got);
  expect(Math.abs(got.mean - want.mean)).toBeLessThan((4 * want.std) / 128 + 1e-3);
  expect(Math.abs(got.std / want.std - 1)).toBeLessThan(0.02);
}

/** A coordinate of singular value s; the recursion is linear in it. */
function ddrmMoments([c, s, y]: Case, levels: readonly number[], eta = 0.85, n = SIGMA) {
  const first = levels[0] as number;
  const clear = s * first >= n;
  let [mean, variance] = clear ? [y / s, first ** 2 - (n / s) ** 2] : [0, first ** 2];
  for (let i = 0; i + 1 < levels.length; i++) {
    const [l, t] = [levels[i] as number, levels[i + 1] as number];
    if (s === 0) {
      const keep = (t / l) * Math.sqrt(1 - eta * eta);
      const f = keep + (1 - keep) * gain(l, c);
      [mean, variance] = [f * mean, f * f * variance + (eta * t) ** 2];
    } else if (s * t < n) {
      const old = (t * Math.sqrt(1 - eta * eta)) / n;
      const f = gain(l, c) * (1 - old * s);
      [mean, variance] = [f * mean + old * y, f * f * variance + (eta * t) ** 2];
    } else [mean, variance] = [y / s, t * t - (n / s) ** 2];
  }
  return { mean, std: Math.sqrt(variance) };
}

test.each([
  [CASES[0], 0.541, 0.134],
  [CASES[1], 0.538, 0.123],
  [CASES[2], 0.078, 0.085],
] as const)("ddrm, 20 steps, c s y = %s: tabulated %s +- %s", async (on, mean, std) => {
  const want = ddrmMoments(on, grid(20));
  expect(Math.abs(want.mean - mean)).toBeLessThan(0.0015);
  expect(Math.abs(want.std - std)).toBeLessThan(0.0015);
  expectMoments(`ddrm 20, c s y = ${on}`, await solve(ddrm(), on, many), want, on);
});

test("ddrm treats each frequency of a blur by its own singular value", async () => {
  const shape = [8, 16, 15, 1];
  const psf = [
    [0.1, 0.2, 0],
    [0, 0.4, 0.2],
    [0, 0, 0.1],
  ];
  const c = 0.25;
  const problem = scope(() => {
    const A = blur(shape, { psf });
    // A A^T of one draw: a measurement that has all frequencies, the same for all samples
    const truth = lincomb(1, rng(3).normal([1, ...shape.slice(1)]));
    return { A, truth, denoiser: gaussian({ variance: c, sigmaMax: 160 }), sigmaNoise: SIGMA };
  });
  const y = scope(() => problem.A.apply(problem.truth));
  const x = await restore({ ...problem, y }, ddrm({ steps: 10 }), { seed: SEED, samples: 200 });
  // in the basis V: (x - its mean) has for each singular value the std that the recursion says; so has its whitened form 1
  const std = (s: number) => ddrmMoments([c, s <= 0.03 ? 0 : s, 0], grid(10)).std;
  const mean = (s: number) => (s <= 0.03 ? 0 : ddrmMoments([c, s, 1], grid(10)).mean);
  const { inside, back } = problem.A.spectral as NonNullable<typeof problem.A.spectral>;
  const got = await evaluate(() => ({
    white: inside(x, (s) => 1 / std(s)),
    centre: inside(back(y, mean), (s) => 1 / std(s)),
  }));
  const n = got.centre.length;
  const residual = got.white.map((v, k) => v - (got.centre[k % n] as number));
  const { mean: m, std: d } = moments(residual);
  console.log(`ddrm, blur: whitened mean ${m.toFixed(4)} (0), std ${d.toFixed(4)} (1), of ${residual.length} numbers`);
  expect(Math.abs(m)).toBeLessThan(0.02);
  expect(Math.abs(d - 1)).toBeLessThan(0.02);
  dispose([x, y, problem.truth, problem.A.holds]);
});

test("ddrm says what it needs", async () => {
  const shape = [4, 4, 1];
  const A = linear({
    name: "mystery",
    domain: shape,
    range: shape,
    apply: (x) => lincomb(1, x),
    adjoint: (y) => lincomb(1, y),
  });
  const y = scope(() => rng(1).normal([1, ...shape]));
  const problem = { A, y, sigmaNoise: SIGMA, denoiser: gaussian() };
  await expect(restore(problem, ddrm())).rejects.toThrow(/ddrm: mystery does not know its singular values/);
  y.dispose();
});

/** DDNM+ where A knows its singular value s, and where it does not. */
function ddnmMoments([c, s, y]: Case, levels: readonly number[], { eta = 0.85, plus = true, known = true, n = SIGMA }) {
  let [mean, variance] = [0, (levels[0] as number) ** 2];
  for (let i = 0; i + 1 < levels.length; i++) {
    const [l, t] = [levels[i] as number, levels[i + 1] as number];
    const size = known ? s : 1;
    const trust = plus ? Math.min(1, (size * t) / n) : 1;
    const g = gain(l, c) * (1 - trust);
    const keep = (t / l) * Math.sqrt(1 - eta * eta);
    const fresh = plus ? Math.sqrt(Math.max(0, t * t - ((trust * n) / size) ** 2)) : t;
    const f = keep + (1 - keep) * g;
    [mean, variance] = [f * mean + ((1 - keep) * trust * y) / s, f * f * variance + (eta * fresh) ** 2];
  }
  return { mean, std: Math.sqrt(variance) };
}

test.each(CASES)("ddnm+, c %s s %s y %s", async (c, s, y) => {
  const on = [c, s, y] as const;
  expectMoments(`ddnm+ 100, c s y = ${on}`, await solve(ddnm(), on, many), ddnmMoments(on, grid(100), {}), on);
});

test("ddnm+ for an operator that does not know its singular values", async () => {
  const shape = [1, 64, 64, 1];
  const on = CASES[1];
  const problem = scope(() => ({
    A: linear({
      domain: shape.slice(1),
      range: shape.slice(1),
      apply: (x) => lincomb(0.5, x),
      adjoint: (y) => lincomb(0.5, y),
      pinv: (y, eta) => lincomb(0.5 / (0.25 + eta), y),
    }),
    y: lincomb(0.3, rng(1).uniform(shape, { low: 1, high: 1 })),
    sigmaNoise: SIGMA,
    denoiser: gaussian({ sigmaMax: 160 }),
  }));
  const x = await restore(problem, ddnm(), { seed: SEED });
  expectMoments("ddnm+, one trust for all", await x.read(), ddnmMoments(on, grid(100), { known: false }), on);
  dispose([x, problem.y]);
});

test("ddnm fits the measurement exactly, noise and all", async () => {
  const shape = [1, 12, 10, 3];
  const problem = scope(() => {
    const A = blur(shape, { gaussian: 0.6 });
    return { A, y: A.apply(rng(1).normal(shape)), sigmaNoise: 0, denoiser: gaussian({ channels: 3, sigmaMax: 160 }) };
  });
  const x = await restore(problem, ddnm({ plus: false, levels: ddpmLevels() }), { seed: SEED });
  const { Ax, y } = await evaluate(() => ({ Ax: problem.A.apply(x), y: lincomb(1, problem.y) }));
  console.log(`ddnm: |Ax - y|/|y| ${relativeL2(Ax, y).toExponential(1)}`);
  expect(relativeL2(Ax, y)).toBeLessThan(1e-5);
  dispose([x, problem.y, problem.A.holds]);
});
