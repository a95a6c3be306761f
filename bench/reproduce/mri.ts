/**
 * E2E-VarNet and Diff-Unfolding against CG-SENSE and the zero-filled picture, on k-space of several coils simulated from
 * pictures. One network each for all patterns, of which the last was never seen in training. CG-SENSE and Diff-Unfolding
 * are given the coils' sensitivities; VarNet estimates them.
 */
import { lincomb } from "../../kernels/lincomb.ts";
import { rng } from "../../kernels/random.ts";
import { asModel } from "../../src/architectures_posterior.ts";
import { precondition } from "../../src/diffusion/precondition.ts";
import { leastSquares } from "../../src/linalg/least_squares.ts";
import { nrmse } from "../../src/metrics/nrmse.ts";
import { psnr } from "../../src/metrics/psnr.ts";
import { ssim } from "../../src/metrics/ssim.ts";
import { dhariwalUnet } from "../../src/nets/dhariwal_unet.ts";
import { countParameters, type Params } from "../../src/nets/net.ts";
import { spaceToDepth } from "../../src/nets/space_to_depth.ts";
import { unfolding } from "../../src/nets/unfolding.ts";
import { varnet } from "../../src/nets/varnet.ts";
import { diffUnfolding } from "../../src/solvers/diff_unfolding.ts";
import { restore } from "../../src/solvers/solver.ts";
import { dispose, mapTree, scope, type Tree } from "../../src/tensor/scope.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { drawBatch } from "../../src/train/data.ts";
import { diffUnfoldingMri } from "../../src/train/diff_unfolding_mri.ts";
import { type MriBatch, type MriDataOptions, mriData, operatorOf, type Pattern } from "../../src/train/mri_data.ts";
import type { Recipe } from "../../src/train/recipe.ts";
import { train, training } from "../../src/train/trainer.ts";
import { modulus, varnetOf, varnetRecipe } from "../../src/train/varnet.ts";
import { type Comparison, paired } from "./paired.ts";
import type { Experiment, Setting } from "./run.ts";

const SEEN: readonly Pattern[] = [
  { kind: "uniform1d", acceleration: 4, centre: 0.125 },
  { kind: "gaussian1d", acceleration: 4, centre: 0.125 },
  { kind: "gaussian2d", acceleration: 8 },
];
const TRIED: readonly { readonly name: string; readonly pattern: Pattern }[] = [
  { name: "uniform1d, 4 x", pattern: SEEN[0] as Pattern },
  { name: "gaussian2d, 8 x", pattern: SEEN[2] as Pattern },
  { name: "poisson, 6 x, never seen", pattern: { kind: "poisson", acceleration: 6, centre: 0.125 } },
];
const COILS = 4;
/** In root mean squares of the picture. Sensitivities are of either kind, as in training. */
const DATA = { coils: COILS, noise: 0.02 } satisfies Partial<MriDataOptions>;
/** More conjugate gradients fit the noise. */
const CG = 12;
const LEVELS = { sigmaMin: 0.01, sigmaMax: 10 };
/** Test pictures of one pattern and one set of coils. */
const TOGETHER = 10;

const METRICS = ["NRMSE", "PSNR (dB)", "SSIM"] as const;
type Scores = Record<(typeof METRICS)[number], number[]>;
type Reconstruct = (batch: MriBatch, seed: number) => Promise<Tensor> | Tensor;

/** Trains to the end; the averaged parameters are the caller's. */
async function run<B extends Tree>(
  recipe: Recipe<B>,
  lr: number,
  parameters: number,
  setting: Setting,
): Promise<Params> {
  const { steps, seed, tiny, say } = setting;
  using under = training(recipe, { seed });
  const schedule = { lr, lrEnd: lr / 100, warmup: tiny ? 0 : 50, steps };
  for await (const { step, loss, secondsPerStep } of train(under, { schedule, emaDecay: 0.995, every: tiny ? 1 : 50 }))
    say(`${recipe.name}: step ${step} of ${steps}, loss ${loss.toFixed(4)}, ${secondsPerStep.toFixed(2)} s a step`);
  say(`${recipe.name}: ${parameters.toLocaleString("en")} parameters, ${under.seconds.toFixed(0)} s`);
  return scope(() => mapTree(under.optimiser.ema.tree, (t) => lincomb(1, t)));
}

/** Of magnitudes; each reconstruction sees the same k-space, which the seed alone decides. */
async function scored({ test, seed }: Setting, pattern: Pattern, reconstruct: Reconstruct): Promise<Scores> {
  const { size, count, data } = test;
  const out: Scores = { NRMSE: [], "PSNR (dB)": [], SSIM: [] };
  const pixels = size * size;
  for (let first = 0; first < count; first += TOGETHER) {
    const n = Math.min(TOGETHER, count - first);
    const tiles = data.subarray(3 * first * pixels, 3 * (first + n) * pixels);
    const pictures = async () => tensor([n, size, size, 3], tiles);
    const batch = await mriData({ ...DATA, pictures, patterns: [pattern] })(rng(seed + 1).fork(first));
    const x = await reconstruct(batch, seed + first);
    const all = scope(() => [modulus(batch.x), x.shape[3] === 1 ? lincomb(1, x) : modulus(x)]);
    const [truth, got] = (await Promise.all(all.map((t) => t.read()))) as [Float32Array, Float32Array];
    dispose([batch, x, all]);
    for (let i = 0; i < n; i++) {
      const [a, b] = [got, truth].map((m) => m.subarray(i * pixels, (i + 1) * pixels)) as [Float32Array, Float32Array];
      out.NRMSE.push(nrmse(a, b));
      out["PSNR (dB)"].push(psnr(a, b, { range: "peak" }));
      out.SSIM.push(ssim(a, b, { width: size, height: size, variant: "uniform7", range: "peak" }));
    }
  }
  return out;
}

const compared = (task: string, names: readonly [string, string], a: Scores, b: Scores): Comparison[] =>
  METRICS.map((metric) => ({ task, metric, names, ...paired(a[metric], b[metric], { lower: metric === "NRMSE" }) }));

export const experiment: Experiment = {
  about: "VarNet and Diff-Unfolding against CG-SENSE and zero-filled, on k-space of coils simulated from pictures",
  async run(setting) {
    const { size, batch, data, tiny, say } = setting;
    const drawn = mriData({
      ...DATA,
      pictures: (random) => drawBatch(data, { size, count: batch }, random),
      patterns: SEEN,
    });

    const cascades = varnet({
      ...{ cascades: tiny ? 1 : 4, channels: tiny ? 4 : 10, pools: 2 },
      ...{ sensChannels: 4, sensPools: 2 },
    });
    const unfolded = unfolding({
      net: spaceToDepth(
        dhariwalUnet({
          ...{ resolution: size / 2, inChannels: 8, outChannels: 8, embMultiplier: 1 },
          ...{ channels: tiny ? 8 : 16, multipliers: [1, 2], blocks: 1, attention: [] },
        }),
        2,
      ),
      wrap: precondition.edm,
      iterations: 3,
    });
    const vn = await run(varnetRecipe({ net: cascades, data: drawn }), 2e-3, countParameters(cascades), setting);
    const du = await run(diffUnfoldingMri({ model: unfolded, data: drawn }), 1e-3, countParameters(unfolded), setting);
    const model = asModel(unfolded, du);
    // the posterior's own denoiser is asked, this one is not
    const denoiser = precondition.edm((x) => x, { channels: 2 });
    const methods: Readonly<Record<string, Reconstruct>> = {
      "zero-filled": (b) => scope(() => operatorOf(b).adjoint(b.y)),
      "CG-SENSE": (b) => scope(() => leastSquares(operatorOf(b), b.y, { iterations: CG }).x),
      VarNet: (b) => scope(() => varnetOf(cascades, vn, b)),
      async "Diff-Unfolding"(b, seed) {
        const A = scope(() => operatorOf(b));
        const problem = { y: b.y, A, sigmaNoise: DATA.noise, denoiser, model };
        const x = await restore(problem, diffUnfolding({ steps: tiny ? 2 : 12, ...LEVELS }), { seed });
        dispose(A.holds);
        return x;
      },
    };

    const rows: Comparison[] = [];
    for (const { name, pattern } of TRIED) {
      const scores: Record<string, Scores> = {};
      for (const [who, f] of Object.entries(methods)) {
        const own = await scored(setting, pattern, f);
        const mean = own["PSNR (dB)"].reduce((sum, v) => sum + v, 0) / own.SSIM.length;
        say(`${name}: ${who} ${mean.toFixed(2)} dB`);
        scores[who] = own;
      }
      const against = (a: string, b: string) =>
        rows.push(...compared(name, [a, b], scores[a] as Scores, scores[b] as Scores));
      for (const who of ["VarNet", "Diff-Unfolding"])
        for (const linear of ["CG-SENSE", "zero-filled"]) against(who, linear);
      against("Diff-Unfolding", "VarNet");
    }
    dispose([vn, du]);
    return rows;
  },
};
