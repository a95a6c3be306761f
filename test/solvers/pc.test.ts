import { expect, test } from "vitest";
import { gaussian } from "../../src/diffusion/gaussian.ts";
import { ddpmLevels, ddpmTable, uniformTimes } from "../../src/diffusion/schedules.ts";
import { pc, pcPresets } from "../../src/solvers/pc.ts";
import { restore } from "../../src/solvers/solver.ts";
import { expectClose } from "../lib/close.ts";
import { withGpu } from "../lib/gpu.ts";
import { draws, expectMoments, gain, SEED, sampled } from "../lib/toy.ts";

withGpu();
const c = 0.25;
const denoiser = gaussian({ variance: c, sigmaMax: 160 });
const norm = (x: ArrayLike<number>) => Math.sqrt(Array.from(x).reduce((a, b) => a + b * b, 0));

// in x_t, as the papers print it; the solver works on x_t/sqrt(alphaBar_t)
test.each(["reverse", "ancestral"] as const)("VP, %s predictor and corrector, number by number", async (predictor) => {
  const steps = 25;
  const table = ddpmTable({ steps, last: 0.01 });
  const { alphaBar, beta, sigma } = table;
  const score = (x: Float64Array, t: number) => {
    const a = alphaBar[t] as number;
    return x.map((v) => (gain(c, sigma[t] as number) * v - v) / (1 - a));
  };
  const last = steps - 1;
  let x = Float64Array.from((await draws(-1))[0] as Float32Array, (z) => Math.sqrt(1 - (alphaBar[last] as number)) * z);
  for (let t = last; t >= 0; t--) {
    const b = beta[t] as number;
    const [z1, z2] = (await draws(last - t, 2)) as [Float32Array, Float32Array];
    const g = score(x, t);
    const step = 2 * (1 - b) * ((0.16 * norm(z1)) / norm(g)) ** 2;
    x = x.map((v, k) => v + step * (g[k] as number) + Math.sqrt(2 * step) * (z1[k] as number));
    const h = score(x, t);
    x = x.map((v, k) => {
      const mean =
        predictor === "reverse"
          ? (2 - Math.sqrt(1 - b)) * v + b * (h[k] as number)
          : (v + b * (h[k] as number)) / Math.sqrt(1 - b);
      return t ? mean + Math.sqrt(b) * (z2[k] as number) : mean;
    });
  }
  const solver = pc({ steps, predictor, process: "vp", levels: ddpmLevels(uniformTimes, table) });
  expectClose(await sampled(solver, denoiser), x, { l2: 1e-5 });
});

test("VP, 1000 steps: the std of the prior, .5", async () => {
  // without corrections the variance falls out of a recursion in one number
  const { beta, alphaBar, sigma } = ddpmTable();
  let v = 1 - (alphaBar[999] as number);
  for (let t = 999; t >= 0; t--) {
    const b = beta[t] as number;
    const factor = 2 - Math.sqrt(1 - b) + (b * (gain(c, sigma[t] as number) - 1)) / (1 - (alphaBar[t] as number));
    v = factor ** 2 * v + (t ? b : 0);
  }
  const got = await sampled(pc({ process: "vp", corrections: 0 }), denoiser);
  expectMoments("pc vp 1000", got, { mean: 0, std: Math.sqrt(v) });
});

test("MUPET's order: predictor, corrector at the new level with norms over the batch, a denoised picture last", async () => {
  const [steps, full] = [12, [2, 9, 7, 1]] as const;
  const wide = gaussian({ variance: c, sigmaMin: 0.02, sigmaMax: 100 });
  const levels = Array.from({ length: steps }, (_, i) => 100 * (0.02 / 100) ** (i / (steps - 1)));
  const score = (x: Float64Array, s: number) => x.map((v) => (gain(c, s) * v - v) / s ** 2);
  let x = Float64Array.from((await draws(-1, 1, full))[0] as Float32Array, (z) => 100 * z);
  for (let i = 0; i < steps - 1; i++) {
    const [s, t] = [levels[i], levels[i + 1]] as [number, number];
    const [z1, z2] = (await draws(i, 2, full)) as [Float32Array, Float32Array];
    const d = s * s - t * t;
    const h = score(x, s);
    x = x.map((v, k) => v + d * (h[k] as number) + Math.sqrt(d) * (z1[k] as number));
    const g = score(x, t);
    const step = 2 * ((0.16 * norm(z2)) / norm(g)) ** 2;
    x = x.map((v, k) => v + step * (g[k] as number) + Math.sqrt(2 * step) * (z2[k] as number));
  }
  x = x.map((v) => gain(c, levels.at(-1) as number) * v);
  const solver = pc({ ...pcPresets.mupetCifar10, steps });
  const got = await restore({ denoiser: wide, shape: full }, solver, { seed: SEED });
  expectClose(await got.read(), x, { l2: 1e-5 });
  got.dispose();
  expect(() => pc({ first: "predictor", process: "vp" })).toThrow("variance-exploding process only");
});
