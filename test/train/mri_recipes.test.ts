import { expect, test } from "vitest";
import { lincomb } from "../../kernels/lincomb.ts";
import { rng } from "../../kernels/random.ts";
import { asReal } from "../../kernels/reshape.ts";
import type { Reconstructor } from "../../src/diffusion/denoiser.ts";
import { precondition } from "../../src/diffusion/precondition.ts";
import type { LinearOperator } from "../../src/linalg/operator.ts";
import { nrmse } from "../../src/metrics/nrmse.ts";
import { ssim } from "../../src/metrics/ssim.ts";
import { dhariwalUnet } from "../../src/nets/dhariwal_unet.ts";
import type { Params } from "../../src/nets/net.ts";
import { ssdiffrecon } from "../../src/nets/ssdiffrecon.ts";
import { type Unfolding, unfolding } from "../../src/nets/unfolding.ts";
import { varnet } from "../../src/nets/varnet.ts";
import { diffUnfolding as sampler } from "../../src/solvers/diff_unfolding.ts";
import { restore } from "../../src/solvers/solver.ts";
import { dispose, scope, type Tree } from "../../src/tensor/scope.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { drawLevels } from "../../src/train/diff_unfolding.ts";
import { diffUnfoldingMri, diffUnfoldingSplit } from "../../src/train/diff_unfolding_mri.ts";
import { heldOut } from "../../src/train/kspace_split.ts";
import { type MriBatch, mriData, operatorOf, type Pattern } from "../../src/train/mri_data.ts";
import type { Recipe } from "../../src/train/recipe.ts";
import { hardConsistency, predicted, ssdiffreconRecipe, ssdiffreconSample } from "../../src/train/ssdiffrecon.ts";
import { train, training } from "../../src/train/trainer.ts";
import { modulus, varnetOf, varnetRecipe } from "../../src/train/varnet.ts";
import { discs } from "../lib/discs.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";

withGpu();

const [N, H, W, coils] = [2, 16, 16, 3];
const patterns: Pattern[] = [{ kind: "equispaced", acceleration: 4, centre: 0.15 }];
const pictures = discs([N, H, W]);
const data = mriData({ pictures, coils, patterns, noise: 0.01 });

/** Trains; tells the mean loss of four batches that are not trained on, and what `use` finds, before and after. */
async function trained<B extends Tree, T>(
  recipe: Recipe<B>,
  steps: number,
  lr: number,
  use: (p: Params) => Promise<T>,
) {
  using run = training(recipe, { seed: 3 });
  const { tree } = run.optimiser.params;
  const look = async () => {
    let loss = 0;
    for (const k of [0, 1, 2, 3]) {
      const batch = await recipe.batch(rng(900 + k));
      const got = await evaluate(() => recipe.loss(tree, batch, { step: 0, random: rng(950 + k), scalars: {} }));
      loss += (got[0] as number) / 4;
      dispose(batch);
    }
    return { loss, ...(await use(tree)) };
  };
  const before = await look();
  for await (const _ of train(run, { schedule: { lr, warmup: 5, lrEnd: lr, steps }, every: steps }));
  const after = await look();
  console.log(`${recipe.name}: ${JSON.stringify(before)}, then ${JSON.stringify(after)}`);
  return { before, after };
}

/** Of magnitudes on batches that were not trained on: of the zero-filled pictures, and of those that `f` makes. */
async function errors(f: (batch: MriBatch) => Tensor | Promise<Tensor>, from = data) {
  const out = { zeroFilled: { nrmse: 0, ssim: 0 }, net: { nrmse: 0, ssim: 0 } };
  for (const seed of [101, 102]) {
    const batch = await from(rng(seed));
    const x = await f(batch);
    const { truth, ...got } = await evaluate(() => ({
      truth: modulus(batch.x),
      zeroFilled: modulus(operatorOf(batch).adjoint(batch.y)),
      net: x.shape[3] === 1 ? lincomb(1, x) : modulus(x),
    }));
    dispose([batch, x]);
    for (const name of ["zeroFilled", "net"] as const) {
      out[name].nrmse += nrmse(got[name], truth) / 2;
      out[name].ssim += ssim(got[name], truth, { width: W, height: N * H, variant: "uniform7", range: "peak" }) / 2;
    }
  }
  return out;
}

test("VarNet: some tens of steps lower 1 - SSIM, and it then beats the zero-filled picture", async () => {
  const net = varnet({ cascades: 2, channels: 8, pools: 2, sensChannels: 4, sensPools: 2 });
  const { before, after } = await trained(varnetRecipe({ net, data }), 60, 3e-3, (p) =>
    errors((batch) => scope(() => varnetOf(net, p, batch))),
  );
  expect(after.loss).toBeLessThan(0.9 * before.loss);
  expect(after.net.ssim).toBeGreaterThan(after.zeroFilled.ssim + 0.03);
});

test("SSDiffRecon begins at the zero-filled picture, and learns to tell what is held out of one batch", async () => {
  const net = ssdiffrecon({ blocks: 1, channels: 32, latents: 4, width: 8, layers: 2 });
  const one = mriData({ pictures, coils, patterns: [{ kind: "gaussian2d", acceleration: 2 }], noise: 0 });
  const recipe = ssdiffreconRecipe({ net, data: () => one(rng(5)), keep: 0.8 });
  const { before, after } = await trained({ ...recipe, batch: () => recipe.batch(rng(6)) }, 40, 1e-2, (p) =>
    errors((batch) =>
      scope(() => {
        const A = operatorOf(batch);
        const agree = hardConsistency(A, batch.y);
        return ssdiffreconSample((x, t) => net.apply(p, x, t, agree), A.adjoint(batch.y), rng(1));
      }),
    ),
  );
  expect(before.net.nrmse).toBeCloseTo(before.zeroFilled.nrmse, 5);
  expect(after.loss).toBeLessThan(0.98 * before.loss);
});

test("what is held out does not reach the network: other numbers there, the same prediction and data term", async () => {
  const net = ssdiffrecon({ blocks: 1, channels: 4, latents: 2, width: 4, layers: 2 });
  const recipe = ssdiffreconRecipe({ net, data });
  const params = recipe.init(rng(1));
  const whole = await data(rng(7));
  const other = await data(rng(7));
  const seen = await heldOut(async () => whole)(rng(8));
  // where it is held out, and only there, the second measurement is another
  const moved = scope(() => lincomb(1, other.y, 5, seen.target));
  const seenOther = await heldOut(async () => ({ ...other, y: moved }))(rng(8));
  const got = await evaluate(() => ({
    a: predicted(net, params.tree, seen, rng(9)),
    b: predicted(net, params.tree, seenOther, rng(9)),
    lossA: recipe.loss(params.tree, seen, { step: 0, random: rng(9), scalars: {} }),
    lossB: recipe.loss(params.tree, seenOther, { step: 0, random: rng(9), scalars: {} }),
  }));
  dispose([other.y, seen, seenOther, params.chunks, Object.values(params.tree)]);
  expect(got.b).toEqual(got.a);
  expect(got.lossB[0]).not.toBeCloseTo(got.lossA[0] as number, 3);
});

const model = () =>
  unfolding({
    net: dhariwalUnet({
      ...{ resolution: H, inChannels: 2, outChannels: 2, channels: 8, multipliers: [1, 2] },
      ...{ embMultiplier: 2, blocks: 1, attention: [] },
    }),
    wrap: precondition.edm,
    iterations: 2,
    hidden: 8,
  });

test("Diff-Unfolding: trained through the coils' operator, it samples with a pattern and coils it never saw", async () => {
  const net = model();
  const unseen = mriData({ pictures, coils: 4, patterns: [{ kind: "poisson", acceleration: 4, centre: 0.15 }] });
  const denoiser = Object.assign((x: Tensor) => x, { sigmaMin: 0, sigmaMax: 80, channels: 2, multipleOf: 1 });
  const { before, after } = await trained(diffUnfoldingMri({ model: net, data }), 30, 5e-3, (p) => {
    const D: Reconstructor = (y, A, { x, sigma } = {}) =>
      net.apply(p, x as Tensor, y, A as LinearOperator, sigma as number);
    const { sigmaMin, sigmaMax } = net;
    return errors(async (batch) => {
      const A = scope(() => operatorOf(batch));
      const problem = { y: batch.y, A, sigmaNoise: 0.01, denoiser, model: Object.assign(D, { sigmaMin, sigmaMax }) };
      const x = await restore(problem, sampler({ steps: 6 }));
      dispose(A.holds);
      return x;
    }, unseen);
  });
  expect(after.loss).toBeLessThan(before.loss - 0.1);
  expect(after.net.nrmse).toBeLessThan(before.net.nrmse);
  expect(after.net.ssim).toBeGreaterThan(before.net.ssim + 0.02);
});

test("Diff-Unfolding without a truth: the loss on what is held out falls", async () => {
  const recipe = diffUnfoldingSplit({ model: model(), data, keep: 0.8 });
  const { before, after } = await trained(recipe, 15, 3e-3, async () => ({}));
  expect(after.loss).toBeLessThan(before.loss - 0.2);
});

test("the split form's loss is Eq. 19's on the samples held out", async () => {
  // a model that returns x_t, and u = ln 2: e^-u L + u of the noisy zero-filled picture
  const idle: Unfolding = {
    ...model(),
    parameters: {},
    apply: (_, x) => lincomb(1, x),
    uncertainty: (_, sigma) => tensor([sigma.length], new Array(sigma.length).fill(Math.LN2)),
  };
  const recipe = diffUnfoldingSplit({ model: idle, data, keep: 0.7, grid: [0.3] });
  const batch = await recipe.batch(rng(4));
  const got = await evaluate(() => {
    const twin = rng(2);
    drawLevels(N, twin, { grid: [0.3] });
    const start = operatorOf(batch).adjoint(batch.y);
    const x = lincomb(1, start, 0.3, twin.normal(start.shape));
    const k = operatorOf({ mask: batch.held, maps: batch.maps }).apply(x);
    return { loss: recipe.loss({}, batch, { step: 0, random: rng(2), scalars: {} }), k: asReal(k) };
  });
  const [target, held] = [await batch.target.read(), await batch.held.read()];
  dispose(batch);
  const squares = got.k.reduce((sum, v, i) => sum + (v - (target[i] as number)) ** 2, 0);
  const L = squares / (2 * held.reduce((a, b) => a + b)) / N;
  expect(got.loss[0]).toBeCloseTo(L / 2 + Math.LN2, 4);
});
