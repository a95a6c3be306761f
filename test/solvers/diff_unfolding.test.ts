import { expect, test } from "vitest";
import { broadcastTo } from "../../kernels/broadcast.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { rng } from "../../kernels/random.ts";
import { asReal } from "../../kernels/reshape.ts";
import type { Reconstructor } from "../../src/diffusion/denoiser.ts";
import { gaussian } from "../../src/diffusion/gaussian.ts";
import { precondition } from "../../src/diffusion/precondition.ts";
import { white } from "../../src/linalg/dot_test.ts";
import { type LinearOperator, linear } from "../../src/linalg/operator.ts";
import { dhariwalUnet } from "../../src/nets/dhariwal_unet.ts";
import { initParams } from "../../src/nets/net.ts";
import { unfolding } from "../../src/nets/unfolding.ts";
import { blur } from "../../src/physics/blur.ts";
import { motionPsf } from "../../src/physics/motion.ts";
import { cedm, diffUnfolding, diffUnfoldingPresets } from "../../src/solvers/diff_unfolding.ts";
import { type Problem, restore, run, type Step } from "../../src/solvers/solver.ts";
import { dispose, scope } from "../../src/tensor/scope.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { withGpu } from "../lib/gpu.ts";
import { exact, expectMoments, moments, problemOf, SEED, type Toy } from "../lib/toy.ts";

withGpu();

/** E[x | x_t, y] of pixels N(0, c). */
const model =
  ({ c, s, sigmaNoise: n = 0.05 }: Toy): Reconstructor =>
  (y, _, { x, sigma } = {}) => {
    const P = (s / n) ** 2 + 1 / c + 1 / (sigma as number) ** 2;
    return lincomb(1 / ((sigma as number) ** 2 * P), x!, s / (n ** 2 * P), y);
  };

test.each<[string, Toy]>([
  ["well measured", { c: 0.25, s: 1, y: 0.6 }],
  ["half as large", { c: 0.25, s: 0.5, y: 0.3 }],
  ["hardly measured", { c: 0.04, s: 0.2, y: 0.05 }],
])("with the exact model it draws from the posterior: %s", async (what, toy) => {
  const problem = { ...problemOf(toy), model: model(toy) };
  const x = await restore(problem, cedm({ steps: 40 }), { seed: SEED });
  expectMoments(`heun 40, ${what}`, await x.read(), exact(toy), 0.03);
  dispose([x, problem.y, problem.A.holds]);
});

test("the four grids run, one call of the model a step; Heun's method two, but for the last", async () => {
  const toy = { c: 0.25, s: 1, y: 0.6, shape: [1, 8, 8, 1] };
  const problem: Problem = { ...problemOf(toy), model: model(toy) };
  const calls = async (solver: ReturnType<typeof cedm>) => {
    let last: Step | undefined;
    for await (const step of run(solver, problem, { seed: SEED })) last = step;
    const { mean } = moments(await (last as Step).x.read());
    expect(Math.abs(mean - exact(toy).mean)).toBeLessThan(0.05);
    const nfe = (last as Step).nfe;
    dispose(last);
    return nfe;
  };
  for (const preset of Object.values(diffUnfoldingPresets)) expect(await calls(diffUnfolding(preset))).toBe(18);
  expect(await calls(cedm())).toBe(35);
  dispose([problem.y, problem.A.holds]);
});

test("complex pictures begin as complex noise, and end where the measurement says", async () => {
  const A: LinearOperator = linear({
    name: "complex identity",
    domain: [32, 32, 1],
    range: [32, 32, 1],
    domainType: "c64",
    rangeType: "c64",
    apply: (x) => lincomb(1, x),
    adjoint: (y) => lincomb(1, y),
  });
  const toy = { c: 0.25, s: 1, y: 0 };
  const made = scope(() => {
    const one = tensor([1, 1, 1, 1], [0.6, -0.2], "c64");
    return lincomb(1, broadcastTo(one, [1, 32, 32, 1]));
  });
  const problem = { y: made, A, sigmaNoise: 0.05, denoiser: gaussian(), model: model(toy) };
  const x = await restore(problem, cedm({ steps: 30, churn: 10 }), { seed: SEED });
  const parts = scope(() => asReal(x));
  const values = await parts.read();
  [0.6, -0.2].forEach((y, k) => {
    const want = exact({ ...toy, y });
    const got = moments(values.filter((_, i) => i % 2 === k));
    expect(Math.abs(got.mean - want.mean)).toBeLessThan(4 * (want.std / 32));
    expect(Math.abs(got.std / want.std - 1)).toBeLessThan(0.1);
  });
  dispose([x, parts, made]);
});

test("a model of untrained networks runs on an operator it never saw", async () => {
  const net = unfolding({
    net: dhariwalUnet({
      resolution: 16,
      inChannels: 3,
      outChannels: 3,
      channels: 8,
      multipliers: [1, 2],
      embMultiplier: 2,
      blocks: 1,
      attention: [],
    }),
    wrap: precondition.edm,
    iterations: 2,
  });
  const params = initParams(net, rng(1));
  const A = scope(() => blur([16, 16, 3], { psf: motionPsf(rng(2), { size: 9 }) }));
  const y = scope(() => A.apply(white(rng(3), [1, 16, 16, 3])));
  const problem: Problem = {
    y,
    A,
    sigmaNoise: 0.1,
    denoiser: precondition.edm((x) => x),
    model: (v, B, { x, sigma } = {}) => net.apply(params.tree, x!, v, B as LinearOperator, sigma!),
  };
  const x = await restore(problem, diffUnfolding({ steps: 3, sigmaMax: 5 }));
  expect(x.shape).toEqual([1, 16, 16, 3]);
  await expect(restore({ ...problem, model: undefined as never }, diffUnfolding())).rejects.toThrow(
    "diff-unfolding: expected a problem with a `model`",
  );
  dispose([x, y, A.holds, params.chunks, params.tree]);
});
