import { expect, test } from "vitest";
import { lincomb } from "../../kernels/lincomb.ts";
import type { Reconstructor } from "../../src/diffusion/denoiser.ts";
import { gaussian } from "../../src/diffusion/gaussian.ts";
import { identity } from "../../src/physics/identity.ts";
import { inpaint } from "../../src/physics/mask.ts";
import { cosign } from "../../src/solvers/cosign.ts";
import { restore } from "../../src/solvers/solver.ts";
import { dispose, scope } from "../../src/tensor/scope.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { normals } from "../lib/random.ts";
import { expectMoments, SEED, shape } from "../lib/toy.ts";

withGpu();
const [c, n, low] = [0.04, 0.1, 0.002];
/** Of pixels N(0, c) measured as y = x + n z: N(gain y, v) and its exact consistency function. */
const [gain, v] = [c / (c + n * n), (c * n * n) / (c + n * n)];
const f: Reconstructor = (y, _, { x, sigma } = {}) => {
  if (!x) throw new Error("no state");
  const k = Math.sqrt((v + low ** 2) / (v + (sigma as number) ** 2));
  return lincomb(gain * (1 - k), y, k, x);
};

test.each([
  ["one step", [0]],
  ["two steps", [0, 17]],
])("%s of the exact consistency model of the posterior draw from it", async (what, at) => {
  const y = tensor(shape, new Float32Array(128 * 128).fill(0.3));
  const A = identity(shape.slice(1));
  const x = await restore({ y, A, sigmaNoise: n, denoiser: gaussian(), model: f }, cosign({ at }), { seed: SEED });
  expectMoments(`cosign, ${what}`, await x.read(), { mean: gain * 0.3, std: Math.sqrt(v) });
  dispose([x, y]);
});

test("hard: without noise the measurement is met; with it the last guess is moved by sigmaMin/sigmaNoise of the way", async () => {
  const small = [1, 4, 4, 1] as const;
  const mask = Float32Array.from({ length: 16 }, (_, i) => (i % 2 ? 1 : 0));
  const truth = normals(16, 3).map((t) => 0.2 * t);
  const half: Reconstructor = (y) => scope(() => tensor(y.shape, new Float32Array(16).fill(0.5)));
  const { y, A } = scope(() => {
    const A = inpaint(tensor([4, 4, 1], mask), small.slice(1));
    return { A, y: A.apply(tensor(small, truth)) };
  });
  const run = async (sigmaNoise: number) => {
    const problem = { y, A, sigmaNoise, denoiser: gaussian(), model: half };
    const x = await restore(problem, cosign({ at: [0], hard: true }));
    const out = await x.read();
    x.dispose();
    return out;
  };
  const want = (trust: number) => truth.map((t, i) => 0.5 + trust * (mask[i] as number) * (t - 0.5));
  expectClose(await run(0), want(1), { l2: 1e-6 });
  expectClose(await run(0.1), want(0.02), { l2: 1e-6 });
  dispose([y, A.holds]);
});

test("levels that are not among the trained ones in order are refused", async () => {
  expect(() => cosign({ at: [17, 0] })).toThrow("rising indices of 0 to 38");
  expect(() => cosign({ at: [] })).toThrow("rising indices");
  const y = tensor([1, 2, 2, 1], new Float32Array(4));
  const problem = { y, A: identity([2, 2, 1]), sigmaNoise: 0, denoiser: gaussian() };
  await expect(restore(problem, cosign())).rejects.toThrow("its control; got none");
  y.dispose();
  await evaluate(() => []);
});
