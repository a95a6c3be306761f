import { expect, test } from "vitest";
import { vpLevels } from "../../src/diffusion/schedules.ts";
import { redDiff, redDiffPresets } from "../../src/solvers/red_diff.ts";
import { expectClose } from "../lib/close.ts";
import { withGpu } from "../lib/gpu.ts";
import { draws, exact, gain, moments, solved, type Toy } from "../lib/toy.ts";

withGpu();
const toys: Toy[] = [
  { c: 0.25, s: 1, y: 0.6 },
  { c: 0.25, s: 0.5, y: 0.3 },
  { c: 0.04, s: 0.2, y: 0.05 },
];

test.each([
  ["authors", toys[0] as Toy],
  ["authors", toys[1] as Toy],
  ["inverseBench", toys[2] as Toy],
] as const)("%s: the recursion, number by number, with the noise that the run draws: %o", async (name, toy) => {
  const { c, s, y } = toy;
  const steps = 30;
  const options = { ...redDiffPresets[name], steps };
  const levels = vpLevels(steps, { sigmaMin: 0.002, sigmaMax: 160 });
  const [zero] = await draws(-1);
  let x = Float64Array.from(zero as Float32Array, () => (name === "authors" ? (s * y) / (s * s + 0.01) : 0));
  const [m, v] = [x.map(() => 0), x.map(() => 0)];
  const lr = name === "authors" ? 0.1 : 0.5;
  for (let k = 0; k < steps; k++) {
    const at = levels[k] as number;
    const lambda = 0.25 * (name === "authors" ? at : 1);
    const [eps] = (await draws(k)) as [Float32Array];
    x = x.map((u, i) => {
      const noisy = u + at * (eps[i] as number);
      const predicted = (noisy - gain(c, at) * noisy) / at;
      const g = 2 * s * (s * u - y) + lambda * (predicted - (eps[i] as number));
      m[i] = 0.9 * (m[i] as number) + 0.1 * g;
      v[i] = 0.99 * (v[i] as number) + 0.01 * g * g;
      const size = Math.sqrt((v[i] as number) / (1 - 0.99 ** (k + 1))) + 1e-8;
      return u - (lr * (m[i] as number)) / (1 - 0.9 ** (k + 1)) / size;
    });
  }
  const got = await solved(redDiff(options), toy);
  const { mean, std } = moments(got);
  console.log(
    `red-diff ${name}, c s y = ${c} ${s} ${y}: mean ${mean.toFixed(4)} (recursion ${moments(x).mean.toFixed(4)}, posterior ${exact(toy).mean.toFixed(4)}), std ${std.toFixed(4)}`,
  );
  expectClose(got, x, { l2: 2e-4 });
});

test("100 steps end near the posterior mean", async () => {
  const [toy] = toys as [Toy];
  const { mean } = moments(await solved(redDiff(), toy));
  console.log(`red-diff, 100 steps: mean ${mean.toFixed(4)} (posterior ${exact(toy).mean.toFixed(4)})`);
  expect(Math.abs(mean - exact(toy).mean)).toBeLessThan(0.03);
});
