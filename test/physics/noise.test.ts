import { expect, test } from "vitest";
import { lincomb } from "../../kernels/lincomb.ts";
import { rng } from "../../kernels/random.ts";
import { addNoise, corrupted, poissonNoise, publishedSigmaRange, signedSigma } from "../../src/physics/noise.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";

withGpu();

const N = 60 * 60 * 3;
const grey = (value: number, type?: "f16") => tensor([1, 60, 60, 3], new Float32Array(N).fill(value), type);
const spread = (x: Float32Array, about: number) => Math.sqrt(x.reduce((s, v) => s + (v - about) ** 2, 0) / x.length);

test("a noise level has a unit", async () => {
  expect([signedSigma(0.05, "unit"), signedSigma(0.05, "signed")]).toEqual([0.1, 0.05]);
  expect(signedSigma(0.05, publishedSigmaRange.ddrm)).toBe(2 * signedSigma(0.05, publishedSigmaRange.dps));
  const { signed, unit, half, none } = await evaluate(() => ({
    signed: addNoise(grey(0.2), 0.05, rng(1)),
    unit: corrupted(grey(0.2), { gaussian: 0.05, range: "unit" }, rng(1)),
    half: addNoise(grey(0.25, "f16"), 0.05, rng(1)),
    none: corrupted(grey(0.2), "none", rng(1)),
  }));
  expect(spread(signed, 0.2)).toBeCloseTo(0.05, 2);
  expect(spread(unit, 0.2)).toBeCloseTo(0.1, 2);
  expect(spread(half, 0.25)).toBeCloseTo(0.05, 2);
  expect(new Set(none)).toEqual(new Set([Math.fround(0.2)]));
});

test("complex measurements: both parts alike and independent", async () => {
  const { z } = await evaluate(() => ({
    z: addNoise(tensor([1, 50, 50, 1], new Float32Array(5000), "c64"), 0.3, rng(2)),
  }));
  const [re, im] = [0, 1].map((k) => z.filter((_, i) => i % 2 === k)) as [Float32Array, Float32Array];
  expect(spread(re, 0)).toBeCloseTo(0.3, 1);
  expect(spread(im, 0)).toBeCloseTo(0.3, 1);
  expect(Math.abs(re.reduce((s, v, i) => s + v * (im[i] as number), 0)) / re.length).toBeLessThan(0.01);
});

test("photons: mean y, standard deviation 2 sqrt(u / peak), levels 2 / peak apart, black stays black", async () => {
  const { y, black, below } = await evaluate(() => ({
    y: poissonNoise(grey(0.2), 30, rng(3)),
    black: corrupted(grey(-1), { poisson: 30 }, rng(3)),
    below: poissonNoise(grey(-1.5), 30, rng(3)),
  }));
  expect(y.reduce((a, b) => a + b, 0) / N).toBeCloseTo(0.2, 1);
  expect(spread(y, 0.2)).toBeCloseTo(2 * Math.sqrt(0.6 / 30), 2);
  for (const v of y.subarray(0, 500)) expect(Math.abs((v + 1) * 15 - Math.round((v + 1) * 15))).toBeLessThan(1e-4);
  expect(new Set([...black, ...below])).toEqual(new Set([-1]));
});

test("levels that are none are refused", async () => {
  await evaluate(() => {
    expect(() => poissonNoise(grey(0), 0, rng(0))).toThrow(
      "poissonNoise: peak must be a number of photons above 0, got 0",
    );
    expect(() => addNoise(grey(0), Number.NaN, rng(0))).toThrow("addNoise: sigma must be 0 or more, got NaN");
    return lincomb(1, tensor([1], [1]));
  });
});
