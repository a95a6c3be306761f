import { expect, test } from "vitest";
import { featureMoments, frechet, gatherMoments } from "../../src/metrics/fid.ts";
import { inception } from "../../src/nets/inception.ts";
import { dispose } from "../../src/tensor/scope.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { withGpu } from "../lib/gpu.ts";
import { seeded, seededParameter } from "../lib/seeded.ts";
import { numbers } from "./numbers.ts";

withGpu();

const mix = seeded("mix", 24 * 24);
/** The fixture's two sets of vectors. */
function sets(name: string, n: number, m: number): [Float64Array, Float64Array] {
  const raw = seeded(`${name}.x`, n * 24);
  const x = Float64Array.from({ length: n * 24 }, (_, i) => {
    const row = Math.floor(i / 24);
    let sum = 3;
    for (let k = 0; k < 24; k++) sum += (raw[row * 24 + k] as number) * (mix[k * 24 + (i % 24)] as number);
    return sum;
  });
  return [x, Float64Array.from(seeded(`${name}.y`, m * 24), (v) => v + 2.5)];
}
const moments = (rows: Float64Array, batch = 5) => {
  const gathered = gatherMoments(24);
  for (let at = 0; at < rows.length; at += 24 * batch) gathered.add(rows.subarray(at, at + 24 * batch));
  return gathered.finish();
};

test.each([
  ["full", 80, 65],
  ["few", 9, 40],
  ["both", 9, 14],
] as const)("%s: %i and %i vectors of 24 numbers, as float64 NumPy has it", (name, n, m) => {
  const [x, y] = sets(name, n, m);
  const want = numbers[`fid.${name}`];
  expect(frechet(moments(x), moments(y)) / want).toBeCloseTo(1, 6);
  expect(frechet(moments(y), moments(x)) / want).toBeCloseTo(1, 6);
});

test("it is 0 for equals, whatever the batches, and the distance of means for one covariance", () => {
  const [x] = sets("full", 80, 65);
  const far = x.map((v) => v + 0.5);
  expect(frechet(moments(x), moments(x, 80))).toBeCloseTo(0, 9);
  expect(frechet(moments(x), moments(far))).toBeCloseTo(24 * 0.25, 9);
  expect(() => moments(x.subarray(0, 24))).toThrow(/two pictures/);
  expect(() => gatherMoments(5).add([1, 2])).toThrow(/rows of 5/);
});

test("far from 0 the covariance keeps its digits", () => {
  const [x] = sets("full", 80, 65);
  const near = moments(x);
  const far = moments(x.map((v) => v + 1e6));
  const worst = near.covariance.reduce((most, v, i) => Math.max(most, Math.abs(v - (far.covariance[i] as number))), 0);
  expect(worst).toBeLessThan(1e-8);
});

test("pictures go through the network, batch after batch", async () => {
  const net = inception({ width: 1 / 16 });
  const params = Object.fromEntries(
    Object.entries(net.parameters).map(([name, { shape }]) => [
      name,
      tensor(
        shape,
        name.endsWith("running_var") ? new Float32Array(shape[0] as number).fill(1) : seededParameter(name, shape),
      ),
    ]),
  );
  const batch = (name: string) => tensor([2, 20, 24, 3], seeded(name, 2 * 20 * 24 * 3));
  const batches = [batch("a"), batch("b")];
  const found = await featureMoments(net, params, batches);
  expect(found.count).toBe(4);
  expect(found.mean).toHaveLength(net.features);
  expect(found.covariance.some((v) => v > 0)).toBe(true);
  expect(frechet(found, found)).toBeCloseTo(0, 6);
  dispose([params, batches]);
});
