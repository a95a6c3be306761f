import { expect, test } from "vitest";
import { affine, square } from "../../kernels/elementwise.ts";
import { gaussian } from "../../src/diffusion/gaussian.ts";
import { ddpmTable, karras } from "../../src/diffusion/schedules.ts";
import type { Operator } from "../../src/linalg/operator.ts";
import { dps } from "../../src/solvers/dps.ts";
import { pigdm } from "../../src/solvers/pigdm.ts";
import { run, type Step } from "../../src/solvers/solver.ts";
import { dispose } from "../../src/tensor/scope.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { relativeL2 } from "../lib/close.ts";
import { withGpu } from "../lib/gpu.ts";
import { CASES, draws, exact, gain, moments, report, SEED, SIGMA, solve } from "../lib/posterior_toy.ts";
import { normals } from "../lib/random.ts";

withGpu();

/** Two pictures of 90 numbers, each with its own norm. */
const shape = [2, 6, 5, 3] as const;
const N = 90;
const steps = 25;
const levels = karras(steps, { sigmaMin: 0.01, sigmaMax: 40 });
const clamp = (v: number) => Math.max(-1, Math.min(1, v));

/** DPS as printed, for x_t = x/sqrt(1 + l^2); A and its derivative number by number. */
function reference(
  c: number,
  zeta: number,
  [A, dA]: readonly [(v: number) => number, (v: number) => number],
  y: number,
  noise: Awaited<ReturnType<typeof draws>>,
) {
  let x = Array.from(noise.first, (z) => ((levels[0] as number) * z) / Math.sqrt(1 + (levels[0] as number) ** 2));
  for (let i = 0; i < steps; i++) {
    const [l, t] = [levels[i] as number, levels[i + 1] as number];
    const [ab, before] = [1 / (1 + l * l), 1 / (1 + t * t)];
    const beta = 1 - ab / before;
    const guess = x.map((v) => (gain(l, c) * v) / Math.sqrt(ab));
    const x0 = guess.map(clamp);
    const r = x0.map((v) => y - A(v));
    const norm = [0, 1].map((b) => Math.hypot(...r.slice(N * b, N * (b + 1))));
    const std = t ? Math.sqrt((beta * (1 - before)) / (1 - ab)) : 0;
    x = x.map((v, k) => {
      const mean =
        ((beta * Math.sqrt(before)) / (1 - ab)) * (x0[k] as number) +
        (((1 - before) * Math.sqrt(1 - beta)) / (1 - ab)) * v;
      const inside = Math.abs(guess[k] as number) <= 1 ? 1 : 0;
      const dx0 = (inside * gain(l, c)) / Math.sqrt(ab);
      const dL = (-dA(x0[k] as number) * dx0 * (r[k] as number)) / (norm[k < N ? 0 : 1] as number);
      return mean + std * ((noise.at(i)[0] as Float32Array)[k] as number) - zeta * Math.sqrt(N / 196608) * dL;
    });
  }
  return x;
}

test("dps follows its equations number by number", async () => {
  const want = reference(0.25, 30, [(v) => 0.5 * v, () => 0.5], 0.3, await draws(shape, steps));
  const got = await solve(dps({ steps, levels, zeta: 30 }), [0.25, 0.5, 0.3], shape, { sigmaMax: 40 });
  console.log(`dps: error ${relativeL2(got, want).toExponential(1)}`);
  expect(relativeL2(got, want)).toBeLessThan(1e-4);
});

test("dps takes an operator that has no adjoint, and runs the network once forward and once backward", async () => {
  const A: Operator = { domain: shape.slice(1), range: shape.slice(1), apply: (x) => square(affine(x, 0.5, 0.5)) };
  const y = tensor(shape, new Float32Array(2 * N).fill(0.4));
  const problem = { A, y, sigmaNoise: SIGMA, denoiser: gaussian({ channels: 3, sigmaMax: 40 }) };
  let last: Step | undefined;
  for await (const step of run(dps({ steps, levels, zeta: 30 }), problem, { seed: SEED })) last = step;
  const { x, nfe, nbe } = last as Step;
  const got = await x.read();
  dispose([last, y]);
  expect([nfe, nbe]).toEqual([steps, steps]);
  const A2 = [(v: number) => ((v + 1) / 2) ** 2, (v: number) => (v + 1) / 2] as const;
  const want = reference(0.25, 30, A2, 0.4, await draws(shape, steps));
  console.log(`dps, squared brightness: error ${relativeL2(got, want).toExponential(1)}`);
  expect(relativeL2(got, want)).toBeLessThan(1e-4);
});

test("dps as published, 1000 steps: the bias of its equations", async () => {
  const [c, s, y] = CASES[1];
  const n = 3072;
  const got = moments(await solve(dps(), [c, s, y], [1, 32, 32, 3]));
  // the same in doubles, on other noise; each picture's own norm, so all pixels together
  const { sigma } = ddpmTable();
  const z = normals(n * 1001, 7);
  let x = Float64Array.from(z.subarray(0, n), (v) => (sigma[999] as number) * v);
  for (let i = 999; i >= 0; i--) {
    const [l, t] = [sigma[i] as number, i ? (sigma[i - 1] as number) : 0];
    const x0 = x.map((v) => clamp(gain(l, c) * v));
    const norm = Math.hypot(...x0.map((v) => y - s * v));
    const keep = (t / l) ** 2;
    const rate = (0.3 / 8) * Math.sqrt((1 + l * l) * (1 + t * t));
    x = x.map((v, k) => {
      const slope = Math.abs(gain(l, c) * v) <= 1 ? (-s * gain(l, c) * (y - s * (x0[k] as number))) / norm : 0;
      return (
        keep * v +
        (1 - keep) * (x0[k] as number) +
        t * Math.sqrt(1 - keep) * (z[n * (1000 - i) + k] as number) -
        rate * slope
      );
    });
  }
  const want = moments(Float32Array.from(x));
  const { mean, std } = exact([c, s, y]);
  report(`dps, c s y = ${[c, s, y]}, exact ${mean.toFixed(3)} +- ${std.toFixed(3)}`, want, got);
  expect(Math.abs(got.mean - want.mean)).toBeLessThan((6 * want.std) / Math.sqrt(n));
  expect(Math.abs(got.std / want.std - 1)).toBeLessThan(0.06);
});

/** PiGDM's recursion is linear: mean and std after it. */
function pigdmMoments([c, s, y]: readonly [number, number, number], grid: readonly number[], eta: number) {
  let [mean, variance] = [0, (grid[0] as number) ** 2];
  for (let i = 0; i + 1 < grid.length; i++) {
    const [l, t] = [grid[i] as number, grid[i + 1] as number];
    const [g, r2] = [gain(l, c), (l * l) / (1 + l * l)];
    const w = (g * s) / (s * s + SIGMA ** 2 / r2);
    const keep = (t / l) * Math.sqrt(1 - eta * eta);
    const f = keep + (1 - keep) * g - w * s * g;
    mean = f * mean + w * y;
    variance = f * f * variance + (eta * t) ** 2;
  }
  return { mean, std: Math.sqrt(variance) };
}

test.each([
  [CASES[0], 1],
  [CASES[1], 1],
  [CASES[2], 0.5],
] as const)("pigdm, c s y = %s, eta %s", async (on, eta) => {
  const { sigma } = ddpmTable();
  const grid = [...Array.from({ length: 100 }, (_, i) => sigma[990 - 10 * i] as number), 0];
  const want = pigdmMoments(on, grid, eta);
  const got = moments(await solve(pigdm({ eta }), on, [1, 128, 128, 1]));
  const { mean, std } = exact(on);
  report(`pigdm, c s y = ${on}, exact ${mean.toFixed(3)} +- ${std.toFixed(3)}`, want, got);
  expect(Math.abs(got.mean - want.mean)).toBeLessThan((4 * want.std) / 128 + 1e-3);
  expect(Math.abs(got.std / want.std - 1)).toBeLessThan(0.02);
});
