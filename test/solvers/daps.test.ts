import { expect, test } from "vitest";
import { affine, square } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { rng } from "../../kernels/random.ts";
import { gaussian } from "../../src/diffusion/gaussian.ts";
import { ddpmTable, karras, uniformTimes } from "../../src/diffusion/schedules.ts";
import type { Operator } from "../../src/linalg/operator.ts";
import { chain } from "../../src/solvers/chain.ts";
import { type DapsOptions, daps } from "../../src/solvers/daps.ts";
import { dds } from "../../src/solvers/dds.ts";
import { restore } from "../../src/solvers/solver.ts";
import { dispose, scope } from "../../src/tensor/scope.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { relativeL2 } from "../lib/close.ts";
import { withGpu } from "../lib/gpu.ts";
import { CASES, type Case, draws, exact, gain, moments, report, SEED, SIGMA, solve } from "../lib/posterior_toy.ts";

withGpu();

const small = [2, 6, 5, 3] as const;
const steps = 6;
const iterations = 7;

/** DAPS in doubles. `slope` is the gradient of |A(x) - y|^2, number by number. */
function reference(
  c: number,
  slope: (v: number) => number,
  noise: Awaited<ReturnType<typeof draws>>,
  {
    rate,
    rateMin,
    tau,
    momentum,
    method,
  }: { rate: number; rateMin: number; tau: number; momentum: number; method: string },
) {
  const levels = [...karras(steps + 1, { sigmaMin: 0.1, sigmaMax: 40 }).slice(0, steps), 0];
  let x = Array.from(noise.first, (z) => (levels[0] as number) * z);
  for (let i = 0; i < steps; i++) {
    const [s, next] = [levels[i] as number, levels[i + 1] as number];
    const flow = karras(6, { sigmaMin: 0.01, sigmaMax: s });
    let x0 = x;
    for (let j = 0; j < 5; j++) {
      const [a, b] = [flow[j] as number, flow[j + 1] as number];
      x0 = x0.map((v) => v + ((b - a) * (v - gain(a, c) * v)) / a);
    }
    const e = rate * (1 + (i / (steps + 1)) * (rateMin - 1));
    const z = noise.at(i);
    const score = (v: number, k: number) => -slope(v) / tau ** 2 + ((x0[k] as number) - v) / s ** 2;
    x = x0;
    let v = Array.from(z[0] as Float32Array);
    for (let j = 0; j < iterations; j++) {
      if (method === "langevin") {
        const w = z[j] as Float32Array;
        x = x.map((a, k) => a + e * score(a, k) + Math.sqrt(2 * e) * (w[k] as number));
      } else {
        const w = z[j + 1] as Float32Array;
        v = v.map(
          (b, k) =>
            momentum * b + Math.sqrt(e) * score(x[k] as number, k) + Math.sqrt(2 * (1 - momentum)) * (w[k] as number),
        );
        x = x.map((a, k) => a + Math.sqrt(e) * (v[k] as number));
      }
    }
    const last = z[method === "langevin" ? iterations : iterations + 1] as Float32Array;
    x = x.map((a, k) => a + next * (last[k] as number));
  }
  return x;
}
const common = { rate: 1e-4, rateMin: 0.02, tau: 0.03, momentum: 0.6 };

test.each(["langevin", "hmc"] as const)("daps %s follows its equations number by number", async (method) => {
  const [c, s, y] = CASES[1];
  const noise = await draws(small, steps, iterations + 2);
  const want = reference(c, (v) => 2 * s * (s * v - y), noise, { ...common, method });
  const got = await solve(daps({ ...common, steps, iterations, method }), [c, s, y], small, { sigmaMax: 40 });
  console.log(`daps ${method}: error ${relativeL2(got, want).toExponential(1)}`);
  expect(relativeL2(got, want)).toBeLessThan(1e-4);
});

test("daps takes an operator that has no adjoint", async () => {
  const noise = await draws(small, steps, iterations + 2);
  const want = reference(0.25, (v) => (((v + 1) / 2) ** 2 - 0.4) * (v + 1), noise, { ...common, method: "langevin" });
  const A: Operator = { domain: small.slice(1), range: small.slice(1), apply: (x) => square(affine(x, 0.5, 0.5)) };
  const y = tensor(small, new Float32Array(180).fill(0.4));
  const problem = { A, y, sigmaNoise: SIGMA, denoiser: gaussian({ channels: 3, sigmaMax: 40 }) };
  const x = await restore(problem, daps({ ...common, steps, iterations }), { seed: SEED });
  const got = await x.read();
  dispose([x, y]);
  console.log(`daps, squared brightness: error ${relativeL2(got, want).toExponential(1)}`);
  expect(relativeL2(got, want)).toBeLessThan(1e-4);
});

/** Langevin steps on the toy are linear: mean and std after the run. */
function dapsMoments([c, s, y]: Case, n: number, its: number, { rate = 1e-4, tau = 0.01, sigmaMax = 100 } = {}) {
  const levels = [...karras(n + 1, { sigmaMin: 0.1, sigmaMax }).slice(0, n), 0];
  let [mean, variance] = [0, (levels[0] as number) ** 2];
  for (let i = 0; i < n; i++) {
    const [l, t] = [levels[i] as number, levels[i + 1] as number];
    const flow = karras(6, { sigmaMin: 0.01, sigmaMax: l }).slice(0, 6);
    const down = flow.slice(1).reduce((f, b, j) => {
      const a = flow[j] as number;
      return f * (1 + ((b - a) * (1 - gain(a, c))) / a);
    }, 1);
    const e = rate * (1 + (i / (n + 1)) * (0.01 - 1));
    const a = 1 - e * ((2 * s * s) / tau ** 2 + 1 / l ** 2);
    const sum = (1 - a ** its) / (1 - a);
    const f = down * (a ** its + (sum * e) / l ** 2);
    mean = f * mean + (sum * e * 2 * s * y) / tau ** 2;
    variance = f * f * variance + (2 * e * (1 - a ** (2 * its))) / (1 - a * a) + t * t;
  }
  return { mean, std: Math.sqrt(variance) };
}

test.each([
  [CASES[0], 0.6, 0.0075],
  [CASES[1], 0.592, 0.043],
  [CASES[2], 0.152, 0.115],
] as const)("daps, c s y = %s: tabulated %s +- %s as published", async (on, mean, std) => {
  const published = dapsMoments(on, 200, 100);
  expect(Math.abs(published.mean - mean)).toBeLessThan(0.0015);
  expect(Math.abs(published.std - std)).toBeLessThan(0.0015);
  // its own recursion, in fewer steps
  const want = dapsMoments(on, 20, 25);
  const got = moments(await solve(daps({ steps: 20, iterations: 25 }), on, [1, 128, 128, 1]));
  const { mean: m, std: d } = exact(on);
  report(`daps, c s y = ${on}, exact ${m.toFixed(3)} +- ${d.toFixed(3)}`, want, got);
  expect(Math.abs(got.mean - want.mean)).toBeLessThan((4 * want.std) / 128 + 1e-3);
  expect(Math.abs(got.std / want.std - 1)).toBeLessThan(0.02);
});

/** E = (x - 1)^2/(2 v) summed over the picture, v = .04. */
const target = (v: number) => ({
  slope: (x: Tensor) => affine(x, 1 / v, -1 / v),
  energy: (x: Tensor) => scope(() => lincomb(0.5 / v, square(affine(x, 1, -1)))),
});

test("a Metropolis walk of single numbers draws from what it should, whatever its steps", async () => {
  for (const e of [0.01, 0.3]) {
    const out = scope(() => {
      // a picture of one number each, so that each is accepted by itself
      const x0 = lincomb(1, rng(1).normal([8192, 1, 1, 1]));
      return chain(target(0.04), x0, e, rng(2), { method: "metropolis", iterations: 120 });
    });
    const got = moments(await out.read());
    report(`metropolis, e ${e}`, { mean: 1, std: 0.2 }, got);
    expect(Math.abs(got.mean - 1)).toBeLessThan(0.012);
    expect(Math.abs(got.std / 0.2 - 1)).toBeLessThan(0.04);
    out.dispose();
  }
});

test("daps with a Metropolis walk stays near the measurement", async () => {
  const options: DapsOptions = {
    steps: 8,
    iterations: 150,
    method: "metropolis",
    rate: 2e-3,
    rateMin: 1,
    tau: Math.SQRT2 * SIGMA,
  };
  const got = moments(await solve(daps(options), CASES[0], [2048, 1, 1, 1]));
  report("daps metropolis", exact(CASES[0]), got);
  expect(Math.abs(got.mean - exact(CASES[0]).mean)).toBeLessThan(0.02);
});

test.each([
  [CASES[0], 1],
  [CASES[1], 20],
] as const)("dds, c s y = %s, gamma %s", async (on, gamma) => {
  const [c, s, y] = on;
  const { sigma } = ddpmTable();
  const levels = [...uniformTimes(50).map((t) => sigma[t] as number), 0];
  let [mean, variance] = [0, (levels[0] as number) ** 2];
  for (let i = 0; i < 50; i++) {
    const [l, t] = [levels[i] as number, levels[i + 1] as number];
    const g = gain(l, c);
    const f = g / (1 + gamma * s * s) + (t / l) * Math.sqrt(1 - 0.85 ** 2) * (1 - g);
    mean = f * mean + (gamma * s * y) / (1 + gamma * s * s);
    variance = f * f * variance + (0.85 * t) ** 2;
  }
  const want = { mean, std: Math.sqrt(variance) };
  const got = moments(await solve(dds({ gamma }), on, [1, 128, 128, 1]));
  const { mean: m, std: d } = exact(on);
  report(`dds, c s y = ${on}, gamma ${gamma}, exact ${m.toFixed(3)} +- ${d.toFixed(3)}`, want, got);
  expect(Math.abs(got.mean - want.mean)).toBeLessThan((4 * want.std) / 128 + 1e-3);
  expect(Math.abs(got.std / want.std - 1)).toBeLessThan(0.02);
});
