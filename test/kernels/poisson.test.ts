import { expect, test } from "vitest";
import { poisson as reference } from "../../kernels/poisson.reference.ts";
import { poisson } from "../../kernels/poisson.ts";
import { rng } from "../../kernels/random.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";

withGpu();

test("the numbers of its words in doubles, but for a rounding here and there", async () => {
  const rates = Float32Array.from(
    { length: 4000 },
    (_, i) => [0, -1, 0.01, 0.7, 7.9, 8.1, 60, 255, 1024, 5000][i % 10] as number,
  );
  const { y, bits } = await evaluate(() => ({
    y: poisson(tensor([4000], rates), rng(3)),
    bits: rng(3).bits([4000]),
  }));
  const want = reference(rates, bits);
  const off = y.filter((v, i) => v !== want[i]).length;
  expect(off).toBeLessThan(8);
  y.forEach((v, i) => {
    expect(Math.abs(v - (want[i] as number))).toBeLessThanOrEqual(1);
  });
});

test.each([0.3, 3, 20, 255])("mean and variance of mean %f, and every count as often as it should", async (rate) => {
  const n = 40000;
  const { y } = await evaluate(() => ({ y: poisson(tensor([n], new Float32Array(n).fill(rate)), rng(7)) }));
  const mean = y.reduce((a, b) => a + b, 0) / n;
  const variance = y.reduce((a, b) => a + (b - mean) ** 2, 0) / n;
  expect(Math.abs(mean - rate)).toBeLessThan(4 * Math.sqrt(rate / n));
  expect(Math.abs(variance - rate)).toBeLessThan(4 * Math.sqrt((2 * rate * rate + rate) / n));
  let [chance, chi2, cells] = [Math.exp(-rate), 0, 0];
  for (let k = 0; k < 400; k++) {
    if (n * chance > 20) {
      chi2 += (y.filter((v) => v === k).length - n * chance) ** 2 / (n * chance);
      cells++;
    }
    chance *= rate / (k + 1);
  }
  expect(chi2).toBeLessThan(cells + 5 * Math.sqrt(2 * cells) + 5);
});
