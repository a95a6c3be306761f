/**
 * UD2M: K = 3 modules against one, ranks of the adapters, and the prior that all begin with in DiffPIR and DDRM, asked as often.
 * One model for two operators, as the paper's universal one; at test also with twice the noise of training. What differs from
 * the paper, for networks of half a million parameters and 1,000 steps: the loss is the reconstruction alone, of the paper's
 * form (two networks in turn want more steps); all matrices are adapted, from B = 0, since a small prior attends in one place.
 */
import { lincomb } from "../../kernels/lincomb.ts";
import type { Rng } from "../../kernels/random.ts";
import { loadTrainable, prior as priorOf } from "../../src/catalogue.ts";
import type { Denoiser } from "../../src/diffusion/denoiser.ts";
import { precondition } from "../../src/diffusion/precondition.ts";
import type { LinearOperator } from "../../src/linalg/operator.ts";
import { METHODS } from "../../src/methods.ts";
import { countParameters, initParams, type Params } from "../../src/nets/net.ts";
import { blur } from "../../src/physics/blur.ts";
import { superResolution } from "../../src/physics/downsample.ts";
import { bare, smallMetadata } from "../../src/recipes_edm.ts";
import { type Problem, restore, type Solver } from "../../src/solvers/solver.ts";
import { ud2m as sampler } from "../../src/solvers/ud2m.ts";
import { solverFor } from "../../src/tasks.ts";
import { detached, dispose, mapTree, scope } from "../../src/tensor/scope.ts";
import { drawBatch } from "../../src/train/data.ts";
import { edmRecipe } from "../../src/train/edm_recipe.ts";
import { loraMerge, loraShapes } from "../../src/train/lora.ts";
import type { Recipe } from "../../src/train/recipe.ts";
import { train, training } from "../../src/train/trainer.ts";
import { ud2m, ud2mLora } from "../../src/train/ud2m.ts";
import type { Comparison } from "./paired.ts";
import type { Experiment, Setting } from "./run.ts";
import { compared, type Scores, scored } from "./tiles.ts";

/** .025 of pictures in [0, 1], as the paper's LSUN. */
const SIGMA = 0.05;
/** N, and the calls of the others: N K. */
const [N, CALLS] = [3, 9];

interface Task {
  readonly name: string;
  readonly kind: "deblur" | "sr";
  A(size: number): LinearOperator;
}
const TASKS: readonly Task[] = [
  { name: "deblurring, sigma 1.5", kind: "deblur", A: (size) => blur([size, size, 3], { gaussian: 1.5 }) },
  { name: "super-resolution x4", kind: "sr", A: (size) => superResolution([size, size, 3], 4) },
];

interface Model {
  readonly K: number;
  readonly rank: number;
}
const named = ({ K, rank }: Model) => `K = ${K}, rank ${rank}`;
const MODELS: readonly Model[] = [
  { K: 3, rank: 5 },
  { K: 1, rank: 5 },
  { K: 3, rank: 2 },
  { K: 3, rank: 20 },
];
const [THREE, ONE] = MODELS as unknown as readonly [Model, Model];

const adapted = (rank: number) => ud2mLora({ rank, match: /^(?!out\.)/, also: /^out\./, init: "standard" });

/** Trains to the end; the averaged parameters are the caller's. */
async function run(name: string, recipe: unknown, { steps, lr }: { steps: number; lr: number }, setting: Setting) {
  const { seed, tiny, say } = setting;
  using under = training(recipe as Recipe<never>, { seed, adam: { maxNorm: 1 } });
  const schedule = { lr, lrEnd: lr / 20, warmup: Math.min(50, Math.floor(steps / 10)), steps };
  for await (const { step, loss, secondsPerStep } of train(under, { schedule, emaDecay: 0.99, every: tiny ? 1 : 50 }))
    say(`${name}: step ${step} of ${steps}, loss ${loss.toFixed(4)}, ${secondsPerStep.toFixed(2)} s a step`);
  say(`${name}: ${under.seconds.toFixed(0)} s`);
  return detached(() => scope(() => mapTree(under.optimiser.ema.tree, (t) => lincomb(1, t)))) as Params;
}

/** The prior in question: a file's, or a small one trained here. */
async function begun(setting: Setting): Promise<{ base: Params; denoiser(p: Params): Denoiser }> {
  const { size, batch, data, tiny, say } = setting;
  if (setting.prior !== undefined) {
    const { params, denoiser, description } = await loadTrainable(setting.prior);
    say(description);
    return { base: params, denoiser };
  }
  const sizes = { channels: 32, multipliers: tiny ? [1] : [1, 1], blocks: 1, spaceToDepth: tiny ? 4 : 2 };
  const made = priorOf(smallMetadata({ size, ...sizes }));
  const { net, F, sigmaData } = made;
  say(`a prior of ${countParameters(net).toLocaleString("en")} parameters`);
  const init = (random: Rng) => initParams(net, random);
  const recipe = edmRecipe({ sigmaData, size, batch, data, F: bare(made), init });
  const base = await run("prior", recipe, { steps: setting.pretrain, lr: 1e-3 }, setting);
  const known = { sigmaData, channels: net.inChannels, multipleOf: net.multipleOf };
  return { base, denoiser: (p) => precondition.edm(F(p), known) };
}

export const experiment: Experiment = {
  about: "UD2M, K = 3 against 1, ranks 2, 5 and 20, against its prior in DiffPIR and DDRM at 9 calls",
  async run(setting) {
    const { size, batch, data, test, tiny, seed } = setting;
    const { base, denoiser } = await begun(setting);
    const tasks = tiny ? TASKS.slice(0, 1) : TASKS;
    const models = tiny ? [THREE, ONE] : MODELS;
    const operators = detached(() => scope(() => tasks.map(({ A }) => A(size))));
    const learnt = new Map<Model, Params>();
    for (const model of models) {
      const lora = adapted(model.rank);
      const shapes = loraShapes(Object.fromEntries(Object.entries(base).map(([k, t]) => [k, t.shape])), lora);
      const count = Object.values(shapes).reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);
      const recipe = ud2m({
        ...{ base, denoiser, lora, mode: "paper", modules: model.K, sigmaNoise: [SIGMA / 2, SIGMA] },
        pictures: (random) => drawBatch(data, { size, count: batch }, random),
        operator: (_, random) => shared(operators[random.integer(0, operators.length - 1)] as LinearOperator),
      });
      const name = `${named(model)} (${count.toLocaleString("en")} parameters)`;
      const params = await run(name, recipe, { steps: setting.steps, lr: 1e-3 }, setting);
      learnt.set(
        model,
        detached(() => scope(() => mapTree(loraMerge(base, lora)(params), (t) => lincomb(1, t)))),
      );
      dispose(params);
    }

    const rows: Comparison[] = [];
    for (const [i, { name, kind }] of tasks.entries())
      for (const sigmaNoise of [SIGMA, 2 * SIGMA]) {
        const A = operators[i] as LinearOperator;
        const by = (D: Denoiser, solver: Solver<Problem>): Promise<Scores> =>
          scored(test, { A, sigmaNoise, seed: seed + 3 }, (problem, random) =>
            restore({ ...problem, denoiser: D }, solver, { seed: random.integer(0, 2 ** 31) }),
          );
        const of = (model: Model, steps = N) =>
          by(
            denoiser(learnt.get(model) as Params),
            sampler({ steps, mode: "paper", modules: model.K }) as Solver<Problem>,
          );
        const task = sigmaNoise === SIGMA ? name : `${name}, noise doubled`;
        const ours = await of(THREE);
        const against = async (what: string, theirs: Promise<Scores>) =>
          rows.push(...compared(task, [named(THREE), what], ours, await theirs));
        await against(`${named(ONE)}, ${N} calls`, of(ONE));
        await against(`${named(ONE)}, ${CALLS} calls`, of(ONE, CALLS));
        await against(
          `DiffPIR, ${CALLS} calls`,
          by(denoiser(base), solverFor("diffpir", kind, sigmaNoise, { steps: CALLS })),
        );
        await against(`DDRM, ${CALLS} calls`, by(denoiser(base), METHODS.ddrm(sigmaNoise, { steps: CALLS })));
        if (sigmaNoise === SIGMA) for (const model of models.slice(2)) await against(named(model), of(model));
      }
    dispose([base, [...learnt.values()], operators]);
    return rows;
  },
};

/** An operator that all batches share: freed with the experiment, not with a batch. */
function shared(A: LinearOperator): LinearOperator {
  const { holds: _, spectral: __, ...rest } = A;
  return rest;
}
