/**
 * MUPET against denoising score matching: one small network, pre-trained, then refined by each in equal steps and from the same
 * batches, and asked by VE DiffPIR for pictures of the same measurements. As in the paper each has its own zeta and first level,
 * the better by PSNR of the two published pairs on pictures of the training data, cut otherwise.
 */
import { lincomb } from "../../kernels/lincomb.ts";
import { type Rng, rng } from "../../kernels/random.ts";
import { prior } from "../../src/catalogue.ts";
import { precondition } from "../../src/diffusion/precondition.ts";
import type { LinearOperator } from "../../src/linalg/operator.ts";
import { countParameters, initParams, type Params } from "../../src/nets/net.ts";
import { blur } from "../../src/physics/blur.ts";
import { bernoulliMask, inpaint } from "../../src/physics/mask.ts";
import { publishedPsf } from "../../src/physics/psf_published.ts";
import { bare, smallMetadata } from "../../src/recipes_edm.ts";
import { type DiffpirOptions, diffpir, diffpirPresets } from "../../src/solvers/diffpir.ts";
import { restore } from "../../src/solvers/solver.ts";
import { detached, dispose, mapTree, scope } from "../../src/tensor/scope.ts";
import { copyBuffer, type Tensor } from "../../src/tensor/tensor.ts";
import { drawBatch } from "../../src/train/data.ts";
import { dsm } from "../../src/train/dsm.ts";
import { edmRecipe } from "../../src/train/edm_recipe.ts";
import { mupet } from "../../src/train/mupet.ts";
import { bicubicSmaller } from "../../src/train/mupet_degradations.ts";
import type { Recipe } from "../../src/train/recipe.ts";
import type { Trained } from "../../src/train/trained.ts";
import { train, training } from "../../src/train/trainer.ts";
import type { Comparison } from "./paired.ts";
import type { Experiment, Setting } from "./run.ts";
import { compared, scored, type TestTiles, testTiles } from "./tiles.ts";

/** .01 of pictures in [0, 1]. */
const SIGMA = 0.02;
/** No solver here begins above 2, so little is trained above it. */
const LEVELS = { sigmaMin: 0.02, sigmaMax: 4 };
/** Found in fewer iterations than the paper's 500, from a nearer start. */
const MAP = { maxIterations: 24, every: 4, lr: 0.05, start: "measurement" } as const;

interface Task {
  readonly name: string;
  A(shape: readonly number[]): LinearOperator;
  /** Published for MUPET and for the network before it. */
  readonly settings: readonly DiffpirOptions[];
}
const { veDeblur, vePixels, veSuperResolution, dsmDeblur, dsmSuperResolution } = diffpirPresets;
const SMALLER = [veSuperResolution, dsmSuperResolution];
const TASKS: readonly Task[] = [
  {
    name: "deblurring, sigma 2",
    A: (shape) => blur(shape, { psf: publishedPsf.mupet(2) }),
    settings: [veDeblur, dsmDeblur],
  },
  { name: "super-resolution x2", A: (shape) => bicubicSmaller(shape, 2), settings: SMALLER },
  { name: "super-resolution x4", A: (shape) => bicubicSmaller(shape, 4), settings: SMALLER },
  {
    name: "80 % of pixels missing",
    A: (shape) => inpaint(bernoulliMask(shape, rng(17), { missing: 0.8 }), shape),
    settings: [vePixels],
  },
];

/** Runs a recipe to its end. Its averaged parameters are the caller's. */
async function trainedBy(
  name: string,
  recipe: unknown,
  { steps, lr, seed, emaDecay }: { steps: number; lr: number; seed: number; emaDecay: number },
  { tiny, say }: Setting,
): Promise<Params> {
  using run = training(recipe as Recipe<never>, { seed, adam: { maxNorm: 1 } });
  const schedule = { lr, lrEnd: lr / 20, warmup: Math.min(50, Math.floor(steps / 10)), steps };
  const every = tiny ? 1 : 50;
  for await (const { step, loss, secondsPerStep } of train(run, { schedule, emaDecay, every }))
    say(`${name}: step ${step} of ${steps}, loss ${loss.toFixed(4)}, ${secondsPerStep.toFixed(2)} s a step`);
  return detached(() => scope(() => mapTree(run.optimiser.ema.tree, (t) => lincomb(1, t))));
}

export const experiment: Experiment = {
  about: "MUPET against denoising score matching, fine-tuned in equal steps from one network",
  async run(setting) {
    const { size, batch, data, test, tiny, seed, say } = setting;
    const made = prior(
      smallMetadata({ size, channels: 32, multipliers: tiny ? [1] : [1, 2], blocks: 1, spaceToDepth: 2 }),
    );
    const { net, F, sigmaData } = made;
    const known = { sigmaData, channels: net.inChannels, multipleOf: net.multipleOf };
    say(`${countParameters(net).toLocaleString("en")} parameters`);
    const first = await trainedBy(
      "pre-training",
      edmRecipe({ sigmaData, size, batch, data, F: bare(made), init: (random) => initParams(net, random) }),
      { steps: setting.pretrain, lr: 1e-3, seed, emaDecay: 0.995 },
      setting,
    );
    const trained: Trained = {
      init(random) {
        const flat = initParams(net, random);
        for (const [name, t] of Object.entries(first)) copyBuffer(t, flat.tree[name] as Tensor);
        return flat;
      },
      denoiser: (params) => precondition.edm(F(params), known),
    };
    const images = (random: Rng) => drawBatch(data, { size, count: batch }, random);
    const ends: Record<string, number> = {};
    const recipes = {
      MUPET: mupet(
        { trained, images },
        { ...LEVELS, ...MAP, onSettled: ({ end }) => (ends[end] = (ends[end] ?? 0) + 1) },
      ),
      DSM: dsm({ trained, images }, { ...LEVELS, levels: "mupet" }),
    };
    const refined: Record<string, Params> = { "pre-trained": first };
    for (const [name, recipe] of Object.entries(recipes))
      refined[name] = await trainedBy(
        name,
        recipe,
        { steps: setting.steps, lr: 1e-4, seed: seed + 1, emaDecay: 0.995 },
        setting,
      );
    say(
      `fixed points: ${Object.entries(ends)
        .map(([end, n]) => `${n} ${end}`)
        .join(", ")}`,
    );

    const validation = await testTiles(
      data.map(({ tiles }) => tiles),
      { size, count: Math.min(tiny ? 4 : 24, test.count) },
    );
    const rows: Comparison[] = [];
    for (const task of tiny ? TASKS.slice(0, 2) : TASKS) {
      const A = detached(() => scope(() => task.A([size, size, 3])));
      const of = async (name: string): Promise<Awaited<ReturnType<typeof scored>>> => {
        const denoiser = trained.denoiser(refined[name] as Params);
        const on = (tiles: TestTiles, options: DiffpirOptions) =>
          scored(tiles, { A, sigmaNoise: SIGMA, seed: seed + 3 }, (problem, random) =>
            restore({ ...problem, denoiser }, diffpir({ ...options, steps: tiny ? 4 : 30 }), {
              seed: random.integer(0, 2 ** 31),
            }),
          );
        let best: DiffpirOptions = {};
        let most = Number.NEGATIVE_INFINITY;
        for (const options of task.settings) {
          const figures = task.settings.length > 1 ? (await on(validation, options))["PSNR (dB)"] : [0];
          const mean = figures.reduce((a, b) => a + b, 0) / figures.length;
          if (mean > most) [best, most] = [options, mean];
        }
        say(`${task.name}, ${name}: zeta ${best.zeta}, from ${best.sigmaStart}`);
        return on(test, best);
      };
      const [ours, theirs, neither] = [await of("MUPET"), await of("DSM"), await of("pre-trained")];
      rows.push(
        ...compared(task.name, ["MUPET", "DSM"], ours, theirs),
        ...compared(task.name, ["MUPET", "pre-trained"], ours, neither),
      );
      dispose(A);
    }
    dispose(refined);
    return rows;
  },
};
