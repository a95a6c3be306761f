import { expect, test } from "vitest";
import { lincomb } from "../../kernels/lincomb.ts";
import { rng } from "../../kernels/random.ts";
import { bridge, bridgeDenoiser, bridgeIndex, product } from "../../src/diffusion/bridge.ts";
import type { Denoiser } from "../../src/diffusion/denoiser.ts";
import { scale } from "../../src/linalg/operator.ts";
import { identity } from "../../src/physics/identity.ts";
import { inpaint } from "../../src/physics/mask.ts";
import { bridgeStart, bridgeSteps, type I2sbOptions, i2sb } from "../../src/solvers/i2sb.ts";
import { restore } from "../../src/solvers/solver.ts";
import { dispose, scope } from "../../src/tensor/scope.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { normals } from "../lib/random.ts";
import { expectMoments, shape } from "../lib/toy.ts";

withGpu();
const of = bridge();
const [c, s, n] = [0.25, 0.8, 0.1];

test("the schedule: beta rises from 1e-4 to 1.87e-4 and falls in mirror; the ends meet", () => {
  expect(of.beta.length).toBe(1000);
  expect(of.beta[0]).toBeCloseTo(1e-4, 12);
  expect(of.beta[499]).toBeCloseTo(1.87e-4, 6);
  expect(of.beta[500]).toBe(of.beta[499]);
  expect(of.beta[999]).toBeCloseTo(1e-4, 12);
  expect(of.time[0]).toBeCloseTo(0.1, 12);
  expect(of.time[999]).toBeCloseTo(1000, 9);
  expect(of.forward[0]).toBeCloseTo(0.01, 12);
  expect(of.forward[999]).toBeCloseTo(Math.sqrt(of.beta.reduce((a, b) => a + b)), 12);
  for (const i of [0, 1, 300, 999]) {
    const { toX0, toX1, std } = of.at(i);
    expect(of.backward[i]).toBeCloseTo(of.forward[999 - i] as number, 12);
    expect(toX0 + toX1).toBeCloseTo(1, 12);
    expect(std ** 2).toBeCloseTo(1 / ((of.forward[i] as number) ** -2 + (of.backward[i] as number) ** -2), 12);
    expect(bridgeIndex(of, of.forward[i] as number)).toBe(i);
  }
  expect(bridgeSteps(2, 999)).toEqual([0, 500, 999]);
  expect(() => bridgeSteps(0, 999)).toThrow("1 to 999 steps");
});

test("a step's mean and deviation are those of x_m given x_n and x0, by Bayes", () => {
  // x_m ~ N(x0, f_m^2), x_n | x_m ~ N(x_m, f_n^2 - f_m^2): the joint covariance, conditioned on x_n
  const [fm, fn] = [of.forward[200] as number, of.forward[700] as number];
  const { first, second, std } = product(fm, Math.sqrt(fn ** 2 - fm ** 2));
  const gain = fm ** 2 / fn ** 2;
  expect(second).toBeCloseTo(gain, 12);
  expect(first).toBeCloseTo(1 - gain, 12);
  expect(std ** 2).toBeCloseTo(fm ** 2 - gain * fm ** 2, 12);
});

/** What x_i multiplies E[x0 | x_i] by, where x0 ~ N(0, c) and x1 = s x0 + n z. */
const gain = (i: number, otOde: boolean) => {
  const { toX0, toX1, std } = of.at(i);
  const a = toX0 + toX1 * s;
  return (a * c) / (a * a * c + (toX1 * n) ** 2 + (otOde ? 0 : std ** 2));
};
const exact = (otOde: boolean): Denoiser =>
  Object.assign(
    (x: Parameters<Denoiser>[0], sigma: Parameters<Denoiser>[1]) =>
      lincomb(gain(bridgeIndex(of, sigma as number), otOde), x),
    {
      sigmaMin: 0.01,
      sigmaMax: 1,
      channels: 1,
      multipleOf: 1,
    },
  );

test.each([
  ["with noise", false],
  ["without (OT-ODE)", true],
])("%s: given E[x0 | x_i], the bridge takes degraded numbers to pictures N(0, c)", async (what, otOde) => {
  const steps = 60;
  const problem = scope(() => ({
    y: rng(3).normal(shape),
    A: scale(s, identity(shape.slice(1))),
    sigmaNoise: n,
    denoiser: exact(otOde),
  }));
  const y = scope(() => lincomb(Math.sqrt(s * s * c + n * n), problem.y));
  const x = await restore({ ...problem, y }, i2sb({ steps, otOde }), { seed: 5 });
  const at = bridgeSteps(steps, 999).reverse();
  let variance = s * s * c + n * n;
  for (let k = 0; k < steps; k++) {
    const [i, j] = [at[k] as number, at[k + 1] as number];
    const [from, to] = [of.forward[i] as number, of.forward[j] as number];
    const { first, second, std } = product(to, Math.sqrt(from ** 2 - to ** 2));
    variance = (first * gain(i, otOde) + second) ** 2 * variance + (otOde || j === 0 ? 0 : std ** 2);
  }
  expectMoments(`i2sb ${what}`, await x.read(), { mean: 0, std: Math.sqrt(variance) }, 0.01);
  expect(Math.abs(Math.sqrt(variance / c) - 1)).toBeLessThan(0.03);
  dispose([x, y, problem.y]);
});

test.each([
  ["cddb", 1],
  ["cddb-deep", 1],
] as const)("%s goes down the misfit of the guess as published, against one step by hand", async (guidance, step) => {
  const small = [1, 4, 4, 1] as const;
  const y = normals(16, 8);
  const options: I2sbOptions = { steps: 4, otOde: true, guidance, step };
  const got = await evaluate(() => {
    const A = scale(s, identity(small.slice(1)));
    const problem = { y: tensor(small, y), A, sigmaNoise: n, denoiser: exact(true) };
    const solver = i2sb(options);
    return [solver.step(problem, solver.init(problem, rng(1)), 0, rng(2)).x];
  });
  const [i, j] = [999, 749];
  const [from, to] = [of.forward[i] as number, of.forward[j] as number];
  const { first, second } = product(to, Math.sqrt(from ** 2 - to ** 2));
  const g = gain(i, true);
  const want = y.map((v) => {
    const x0 = g * v; // the bridge begins at y
    const slope = 2 * s * (s * x0 - v);
    return first * x0 + second * v - step * (guidance === "cddb" ? first * slope : g * slope);
  });
  expectClose(got[0] as Float32Array, want, { l2: 1e-5 });
});

test("where a hole is to be filled, what is seen stays, and noise begins the rest", async () => {
  const small = [1, 6, 6, 1] as const;
  const mask = Float32Array.from({ length: 36 }, (_, i) => (i % 6 < 3 ? 1 : 0));
  const got = await evaluate(() => {
    const A = inpaint(tensor([6, 6, 1], mask), small.slice(1));
    const y = A.apply(tensor(small, normals(36, 4)));
    const problem = { y, A, sigmaNoise: 0, denoiser: exact(true) };
    const solver = i2sb({ steps: 3, otOde: true, hole: true });
    const first = solver.init(problem, rng(1));
    return { y, x: first.x, next: solver.step(problem, first, 0, rng(2)).x };
  });
  const seen = (x: ArrayLike<number>) => Array.from(x).filter((_, i) => mask[i]);
  expectClose(seen(got.x), seen(got.y), { l2: 1e-6 });
  expectClose(seen(got.next), seen(got.y), { l2: 1e-6 });
  const hidden = Array.from(got.x).filter((_, i) => !mask[i]);
  expect(Math.sqrt(hidden.reduce((a, b) => a + b * b, 0) / 18)).toBeGreaterThan(0.4);
});

test("a network as a bridge's denoiser: x - f F(x, time), told the time of its index", async () => {
  const seen: number[] = [];
  const x = normals(8, 2);
  const [got] = await evaluate(() => {
    const D = bridgeDenoiser(
      (v, time) => {
        seen.push(...time);
        return lincomb(2, v);
      },
      of,
      { channels: 1 },
    );
    return [D(tensor([2, 2, 2, 1], x), [of.forward[0] as number, of.forward[999] as number])];
  });
  expect(seen).toEqual([of.time[0], of.time[999]]);
  const f = (i: number) => of.forward[i < 4 ? 0 : 999] as number;
  expectClose(
    got as Float32Array,
    x.map((v, i) => v - 2 * f(i) * v),
    { l2: 1e-6 },
  );
  expect(() =>
    bridgeStart({ domain: [4, 4, 1], range: [3], apply: (t) => t, name: "odd" }, undefined as never),
  ).toThrow("nowhere to begin");
});
