import { expect, test } from "vitest";
import { gaussian } from "../../src/diffusion/gaussian.ts";
import { ddpmLevels, ddpmTable, uniformTimes } from "../../src/diffusion/schedules.ts";
import { ddpm } from "../../src/solvers/ddpm.ts";
import { expectClose } from "../lib/close.ts";
import { withGpu } from "../lib/gpu.ts";
import { draws, expectMoments, gain, sampled } from "../lib/toy.ts";

withGpu();
const c = 0.25;
const denoiser = gaussian({ variance: c, sigmaMax: 160 });

test.each(["small", "large"] as const)("the printed mean and the %s variance, number by number", async (variance) => {
  const table = ddpmTable({ steps: 20, last: 0.01 });
  const { alphaBar: ab, beta } = table;
  let x = Float64Array.from((await draws(-1))[0] as Float32Array, (z) => Math.sqrt(1 - (ab[19] as number)) * z);
  for (let t = 19; t >= 0; t--) {
    const [a, b, before] = [ab[t] as number, beta[t] as number, t ? (ab[t - 1] as number) : 1];
    const z = (await draws(19 - t))[0] as Float32Array;
    const q = t ? Math.sqrt(variance === "large" ? b : (b * (1 - before)) / (1 - a)) : 0;
    x = x.map((v, k) => {
      const x0 = gain(c, table.sigma[t] as number) * (v / Math.sqrt(a));
      const mean = ((b * Math.sqrt(before)) / (1 - a)) * x0 + (((1 - before) * Math.sqrt(1 - b)) / (1 - a)) * v;
      return mean + q * (z[k] as number);
    });
  }
  expectClose(await sampled(ddpm({ steps: 20, variance, levels: ddpmLevels(uniformTimes, table) }), denoiser), x, {
    l2: 1e-5,
  });
});

test("1000 steps: tabulated std .495", async () => {
  expectMoments("ddpm 1000", await sampled(ddpm(), denoiser), { mean: 0, std: 0.495 });
});

test("what is not in [-1, 1] is held there", async () => {
  const wide = gaussian({ variance: 25, sigmaMax: 160 });
  const x = await sampled(ddpm({ steps: 10, clip: true, levels: [100, 30, 10, 3, 1, 0.3, 0.1, 0.03, 0.01, 0] }), wide);
  expect(x.every((v) => Math.abs(v) <= 1)).toBe(true);
});
