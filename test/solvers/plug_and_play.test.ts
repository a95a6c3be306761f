/** MAP and plug-and-play methods without noise of their own: each against its recursion, in doubles, on the Gaussian toy. */
import { describe, expect, test } from "vitest";
import { mul } from "../../kernels/broadcast.ts";
import { square } from "../../kernels/elementwise.ts";
import { geometric } from "../../src/diffusion/schedules.ts";
import type { Operator } from "../../src/linalg/operator.ts";
import { dpir } from "../../src/solvers/dpir.ts";
import { pnpAdmm } from "../../src/solvers/pnp_admm.ts";
import { pnpGd, pnpGdPresets } from "../../src/solvers/pnp_gd.ts";
import { type Problem, restore } from "../../src/solvers/solver.ts";
import { dispose } from "../../src/tensor/scope.ts";
import { expectClose } from "../lib/close.ts";
import { withGpu } from "../lib/gpu.ts";
import { draws, exact, gain, moments, problemOf, solved, type Toy } from "../lib/toy.ts";

withGpu();
const n2 = 0.05 ** 2;
const toys: Toy[] = [
  { c: 0.25, s: 1, y: 0.6 },
  { c: 0.25, s: 0.5, y: 0.3 },
  { c: 0.04, s: 0.2, y: 0.05 },
];
const told = (what: string, { c, s, y }: Toy, got: number, want: number) =>
  console.log(`${what}, c s y = ${c} ${s} ${y}: ${got.toFixed(4)} (${want.toFixed(4)})`);
const rms = (x: ArrayLike<number>, at: number) =>
  Math.sqrt(Array.from(x).reduce((sum, v) => sum + (v - at) ** 2, 0) / x.length);

describe("pnp-gd", () => {
  /** Adam on s (s x - y) + x - D(x; sigmaNoise), until at rest. */
  async function recursion({ c, s, y }: Toy, steps: number, late: number) {
    let x = Float64Array.from((await draws(-1))[0] as Float32Array, (z) => 2 * z);
    let [m, v] = [x.map(() => 0), x.map(() => 0)];
    let rest = steps;
    for (let k = 1; k <= steps; k++) {
      const g = x.map((u) => s * (s * u - y) + u - gain(c, 0.05) * u);
      m = m.map((u, i) => 0.9 * u + 0.1 * (g[i] as number));
      v = v.map((u, i) => 0.999 * u + 0.001 * (g[i] as number) ** 2);
      const d = m.map(
        (u, i) =>
          (0.1 * u) / (1 - 0.9 ** (k + late)) / (Math.sqrt((v[i] as number) / (1 - 0.999 ** (k + late))) + 1e-8),
      );
      x = x.map((u, i) => u - (d[i] as number));
      if (d.reduce((a, b) => a + b * b, 0) / d.length < 2e-4) {
        rest = k;
        break;
      }
    }
    return { x, rest };
  }

  test.each(toys)("comes to rest at the MAP of the prior smoothed at the noise: %o", async (toy) => {
    const { c, s, y } = toy;
    const map = (s * y) / (s * s + n2 / (c + n2));
    for (const [options, late] of [
      [{ fromNoise: true }, 0],
      [pnpGdPresets.mupet, 1],
    ] as const) {
      const { x, rest } = await recursion(toy, 500, late);
      const got = await solved(pnpGd({ ...options, steps: Math.min(500, rest + 20) }), toy);
      told(`pnp-gd, at rest after ${rest}, ${rms(got, map).toFixed(4)} from the MAP`, toy, moments(got).mean, map);
      expectClose(got, x, { l2: 1e-4 });
      expect(rest).toBeLessThan(500);
    }
  });

  test("never at rest it is the MAP, and another level is weighed by its own variance", async () => {
    const [toy] = toys as [Toy];
    const got = await solved(pnpGd({ steps: 400, tolerance: 0, sigma: 0.2, lambda: 2 }), toy);
    const map = toy.y / (1 + (2 * n2) / (toy.c + 0.04));
    told("pnp-gd at sigma .2, lambda 2", toy, moments(got).mean, map);
    expect(rms(got, map)).toBeLessThan(2e-3);
  });

  test("an operator of which only the gradient is known: x^3", async () => {
    const problem = problemOf({ c: 0.25, s: 1, y: 0.6 });
    const { domain, range } = problem.A;
    const cube: Operator = { domain, range, apply: (x) => mul(x, square(x)) };
    const x = await restore<Problem<Operator>>({ ...problem, A: cube }, pnpGd({ steps: 200, lr: 0.02, tolerance: 0 }), {
      start: { x: problem.y },
    });
    const got = (await x.read())[0] as number;
    dispose([x, problem.y]);
    const gradient = 3 * got ** 2 * (got ** 3 - 0.6) + got * (1 - gain(0.25, 0.05));
    console.log(`pnp-gd, x^3 = .6: ${got.toFixed(4)}, gradient ${gradient.toExponential(1)}`);
    expect(Math.abs(gradient)).toBeLessThan(1e-3);
  });
});

describe("pnp-admm", () => {
  test.each(toys)("at one level, lambda 1: exactly the posterior mean, %o", async (toy) => {
    const sigma = 0.2;
    const got = await solved(pnpAdmm({ steps: 80, sigmaStart: sigma, sigmaEnd: sigma }), toy);
    const { mean } = exact(toy);
    told("pnp-admm", toy, got[0] as number, mean);
    expect(rms(got, mean)).toBeLessThan(1e-5);
  });

  test("lambda weighs the prior, falling levels follow their recursion", async () => {
    const [, toy] = toys as [Toy, Toy];
    const { c, s, y } = toy;
    const levels = geometric(12, { sigmaMax: 0.4, sigmaMin: 0.1 });
    let [v, u] = [(s * y) / (s * s + 4 * n2), 0];
    for (let i = 0; i < 12; i++) {
      const [at, t] = [levels[i] as number, levels[i + 1] as number];
      const rho = (3 * n2) / at ** 2;
      const x = (s * y + rho * (v - u)) / (s * s + rho);
      v = gain(c, at) * (x + u);
      u = (u + x - v) * (t ? (t / at) ** 2 : 1);
    }
    const got = await solved(pnpAdmm({ steps: 12, lambda: 3 }), toy);
    told("pnp-admm, 12 falling levels, lambda 3", toy, got[0] as number, v);
    expectClose(got, new Float64Array(got.length).fill(v), { l2: 1e-6 });
  });
});

test.each(toys)("dpir follows its recursion: %o", async (toy) => {
  const { c, s, y } = toy;
  const levels = geometric(8, { sigmaMax: 98 / 255, sigmaMin: 0.05 });
  let x = (s * y) / (s * s + 4 * n2);
  for (const at of levels.slice(0, 8)) {
    const rho = (0.23 * n2) / at ** 2;
    x = (gain(c, at) * (s * y + rho * x)) / (s * s + rho);
  }
  const got = await solved(dpir(), toy);
  told(`dpir, posterior mean ${exact(toy).mean.toFixed(4)}`, toy, got[0] as number, x);
  expectClose(got, new Float64Array(got.length).fill(x), { l2: 1e-6 });
});

test("noise beyond the first level of dpir: it stays at that of the noise", async () => {
  const got = await solved(dpir({ steps: 3 }), { c: 0.25, s: 1, y: 0.6, sigmaNoise: 0.9 });
  expect(got.every(Number.isFinite)).toBe(true);
});
