/**
 * Diff-Unfolding against conditional EDM, DiffPIR and DPS: networks of one size in all, trained for as many steps, asked as
 * often or less. One Diff-Unfolding for every task, its operators swapped, one of which it never saw; cEDM has its own network
 * for each task that it was trained on.
 */
import { lincomb } from "../../kernels/lincomb.ts";
import { type Rng, rng } from "../../kernels/random.ts";
import { asModel, type PosteriorModel } from "../../src/architectures_posterior.ts";
import type { Denoiser } from "../../src/diffusion/denoiser.ts";
import { precondition } from "../../src/diffusion/precondition.ts";
import { karras } from "../../src/diffusion/schedules.ts";
import type { LinearOperator } from "../../src/linalg/operator.ts";
import { type DhariwalConfig, dhariwalUnet } from "../../src/nets/dhariwal_unet.ts";
import { countParameters, initParams, type Params } from "../../src/nets/net.ts";
import { conditioned } from "../../src/nets/posterior_net.ts";
import { spaceToDepth } from "../../src/nets/space_to_depth.ts";
import { unfolding } from "../../src/nets/unfolding.ts";
import { blur } from "../../src/physics/blur.ts";
import { superResolution } from "../../src/physics/downsample.ts";
import { dustMask, inpaint } from "../../src/physics/mask.ts";
import { motionPsf } from "../../src/physics/motion.ts";
import { cedm as cedmSolver, diffUnfolding as unfoldingSolver } from "../../src/solvers/diff_unfolding.ts";
import { diffpir } from "../../src/solvers/diffpir.ts";
import { dps } from "../../src/solvers/dps.ts";
import { type Problem, restore, type Solver } from "../../src/solvers/solver.ts";
import { dispose, mapTree, scope } from "../../src/tensor/scope.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { cedm } from "../../src/train/cedm.ts";
import { drawBatch } from "../../src/train/data.ts";
import {
  anisotropicBlur,
  blockMeans,
  type DrawOperator,
  dust,
  gaussianBlur,
  oneOf,
} from "../../src/train/degradations.ts";
import { diffUnfolding } from "../../src/train/diff_unfolding.ts";
import { edmLoss } from "../../src/train/edm_loss.ts";
import type { Recipe } from "../../src/train/recipe.ts";
import { train, training } from "../../src/train/trainer.ts";
import type { Comparison } from "./paired.ts";
import type { Experiment, Setting } from "./run.ts";
import { compared, type Scores, scored } from "./tiles.ts";

/** .05 of pictures in [0, 1]. */
const SIGMA = 0.1;
const K = 3;
/** Levels of every sampler: below the last, and with this noise in the measurement, nothing is left to find. */
const LEVELS = { sigmaMin: 0.02, sigmaMax: 10 };
/** Steps: 11 of K networks are 33 runs, each of a network a third as large; Heun's 18 are 35 runs, as many as the others have. */
const CALLS = { unfolding: 11, cedm: 18, others: 35 };

interface Task {
  readonly name: string;
  /** What cEDM and Diff-Unfolding are trained on for it; without it neither has seen it. */
  readonly seen?: DrawOperator;
  readonly tried: (size: number) => LinearOperator;
}
const TASKS: readonly Task[] = [
  {
    name: "deblurring",
    seen: gaussianBlur({ sigma: [0.5, 2.5] }),
    tried: (size) => blur([size, size, 3], { gaussian: 1.5 }),
  },
  {
    name: "inpainting",
    seen: dust(),
    tried: (size) => inpaint(dustMask([size, size, 3], rng(17), { missing: 0.4 })),
  },
  {
    name: "super-resolution x4",
    seen: blockMeans({ factors: [4] }),
    tried: (size) => superResolution([size, size, 3], 4),
  },
  {
    name: "motion deblurring, never seen",
    tried: (size) => blur([size, size, 3], { psf: motionPsf(rng(5), { size: 11 }) }),
  },
];

/** A network on blocks of 2 x 2 pixels, two levels of one residual block each. */
const network = (size: number, channels: number, inChannels: number, outChannels = inChannels) => {
  const config: DhariwalConfig = {
    ...{ resolution: size / 2, inChannels: 4 * inChannels, outChannels: 4 * outChannels },
    ...{ channels, multipliers: [1, 2], blocks: 1, attention: [], embMultiplier: 1 },
  };
  return spaceToDepth(dhariwalUnet(config), 2);
};
/** Channels of one of K networks, and of one as large as K: half a million parameters. */
const wide = (tiny: boolean) => (tiny ? { one: 8, all: 12 } : { one: 16, all: 28 });

/** Trains to the end; the averaged parameters are the caller's. */
async function run(name: string, recipe: Recipe<never>, parameters: number, setting: Setting): Promise<Params> {
  const { steps, seed, tiny, say } = setting;
  using under = training(recipe, { seed, adam: { maxNorm: 1, beta2: 0.99 } });
  const schedule = { lr: 1e-3, lrEnd: 1e-5, warmup: tiny ? 0 : 50, steps };
  for await (const { step, loss, secondsPerStep } of train(under, { schedule, emaDecay: 0.995, every: tiny ? 1 : 50 }))
    say(`${name}: step ${step} of ${steps}, loss ${loss.toFixed(4)}, ${secondsPerStep.toFixed(2)} s a step`);
  say(`${name}: ${parameters.toLocaleString("en")} parameters, ${under.seconds.toFixed(0)} s`);
  return scope(() => mapTree(under.optimiser.ema.tree, (t) => lincomb(1, t)));
}

/** A solver's pictures of one problem, the denoiser being whichever it asks. */
type Solve = Parameters<typeof scored>[2];
const none: Denoiser = precondition.edm((x) => x);
const solving =
  (solver: Solver<Problem>, { denoiser = none, model }: { denoiser?: Denoiser; model?: PosteriorModel }): Solve =>
  ({ y, A, sigmaNoise }, random: Rng): Promise<Tensor> =>
    restore({ y, A, sigmaNoise, denoiser, ...(model && { model }) }, solver, { seed: random.integer(0, 2 ** 31) });

export const experiment: Experiment = {
  about: "Diff-Unfolding against conditional EDM, DiffPIR and DPS: networks of one size in all, trained equally long",
  async run(setting) {
    const { size, batch, data, test, tiny, say } = setting;
    const tasks = tiny ? TASKS.slice(0, 2).concat(TASKS.slice(3)) : TASKS;
    const { one, all } = wide(tiny);
    const pictures = (random: Rng) => drawBatch(data, { size, count: batch }, random);
    const parameters: Params[] = [];
    const trained = async (name: string, recipe: unknown, count: number): Promise<Params> => {
      parameters.push(await run(name, recipe as Recipe<never>, count, setting));
      return parameters.at(-1) as Params;
    };

    const unfolded = unfolding({ net: network(size, one, 3), wrap: precondition.edm, iterations: K, unitNorm: true });
    const operator = oneOf(...tasks.flatMap(({ seen }) => (seen ? [seen] : [])), anisotropicBlur());
    const du = await trained(
      "diff-unfolding",
      diffUnfolding({ model: unfolded, pictures, operator }),
      countParameters(unfolded),
    );
    const model = asModel(unfolded, du);

    const bare = network(size, all, 3);
    const prior = await trained(
      "prior",
      {
        name: "prior",
        init: (random: Rng) => initParams(bare, random),
        batch: pictures,
        loss: (p: Params, x: Tensor, { random }: { random: Rng }) =>
          edmLoss(
            (v, l) =>
              bare.apply(
                p,
                v,
                l.map((s) => s / 4),
              ),
            x,
            random,
          ),
      },
      countParameters(bare),
    );
    const denoiser = precondition.edm((x, t) => bare.apply(prior, x, t), { ...LEVELS, multipleOf: bare.multipleOf });

    const rows: Comparison[] = [];
    for (const { name, seen, tried } of tasks) {
      const A = scope(() => tried(size));
      const scores = async (who: string, solve: Solve): Promise<Scores> => {
        const out = await scored(test, { A, sigmaNoise: SIGMA, seed: setting.seed + 1 }, solve);
        const mean = out["PSNR (dB)"].reduce((sum, v) => sum + v, 0) / test.count;
        say(`${name}: ${who} ${mean.toFixed(2)} dB`);
        return out;
      };
      const ours = await scores(
        "diff-unfolding",
        solving(unfoldingSolver({ steps: CALLS.unfolding, ...LEVELS }), { model }),
      );
      const against = async (who: string, solve: Solve) =>
        rows.push(...compared(name, ["diff-unfolding", who], ours, await scores(who, solve)));
      if (seen) {
        const net = conditioned(network(size, all, 6, 3), precondition.edm);
        const own = await trained(
          `cedm, ${name}`,
          cedm({ model: net, pictures, operator: seen }),
          countParameters(net),
        );
        await against("cedm", solving(cedmSolver({ steps: CALLS.cedm, ...LEVELS }), { model: asModel(net, own) }));
      }
      await against("diffpir", solving(diffpir({ steps: CALLS.others }), { denoiser }));
      const zeta = 1000 / CALLS.others;
      await against(
        "dps",
        solving(dps({ steps: CALLS.others, levels: karras, zeta }) as Solver<Problem>, { denoiser }),
      );
      dispose(A.holds);
    }
    dispose(parameters);
    return rows;
  },
};
