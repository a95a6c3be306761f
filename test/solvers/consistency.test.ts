import { expect, test } from "vitest";
import { lincomb } from "../../kernels/lincomb.ts";
import type { Denoiser } from "../../src/diffusion/denoiser.ts";
import { precondition } from "../../src/diffusion/precondition.ts";
import { consistency, consistencyLevels } from "../../src/solvers/consistency.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { normals } from "../lib/random.ts";
import { expectMoments, sampled } from "../lib/toy.ts";

withGpu();
const [c, sigmaMin] = [0.25, 0.002];
/** The consistency function of pixels N(0, c): along the ODE, x grows as the std of its level. */
const f: Denoiser = Object.assign(
  (x: Tensor, s: number | readonly number[]) => lincomb(Math.sqrt((c + sigmaMin ** 2) / (c + (s as number) ** 2)), x),
  { sigmaMin, sigmaMax: 80, channels: 1, multipleOf: 1 },
);

test.each([1, 2, 4])("%s steps of the exact consistency function draw from the prior, std .5", async (steps) => {
  expectMoments(`consistency ${steps}`, await sampled(consistency({ steps }), f), { mean: 0, std: 0.5 });
});

test("levels are among the 40 of training", () => {
  const levels = consistencyLevels(2, f);
  expect(levels.map((s) => Number(s.toPrecision(4)))).toEqual([80, 2.24]);
});

test("its preconditioning gives the picture back at the lowest level, and the paper's coefficients elsewhere", async () => {
  const x = normals(12, 1);
  const seen: number[] = [];
  const F = (t: Tensor, labels: number[]) => {
    seen.push(...labels);
    return lincomb(3, t);
  };
  const D = precondition.consistency(F);
  const got = await evaluate(() => {
    const t = tensor([1, 2, 2, 3], x);
    return [D(t, 0.002), D(t, 2)];
  });
  expectClose(got[0] as Float32Array, x, { l2: 1e-6 });
  const factor = 0.25 / (1.998 ** 2 + 0.25) + (3 * ((1.998 * 0.5) / Math.sqrt(4.25))) / Math.sqrt(4.25);
  expectClose(
    got[1] as Float32Array,
    x.map((v) => factor * v),
    { l2: 1e-6 },
  );
  expect(seen[1]).toBeCloseTo(250 * Math.log(2), 6);
});
