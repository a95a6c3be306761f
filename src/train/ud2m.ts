import { add, mul } from "../../kernels/broadcast.ts";
import { affine, softplus, square } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import type { Rng } from "../../kernels/random.ts";
import { mean, sum, sumSquares } from "../../kernels/reduce.ts";
import { learned } from "../autograd/learned.ts";
import { constant, vjp } from "../autograd/vjp.ts";
import type { Denoiser, Reconstructor } from "../diffusion/denoiser.ts";
import { ddpmTable } from "../diffusion/schedules.ts";
import { imagePictures } from "../io/image.ts";
import { isLinear, type Operator } from "../linalg/operator.ts";
import { pinv } from "../linalg/prox_l2.ts";
import type { Discriminator } from "../nets/discriminator.ts";
import { initParams, type Params } from "../nets/net.ts";
import { type Problem, restore } from "../solvers/solver.ts";
import { ud2m as sampler } from "../solvers/ud2m.ts";
import { type Ud2mScalar, type Unfolded, type UnfoldedOptions, unfolded } from "../solvers/unfolded.ts";
import { type Flat, flat } from "../tensor/flat.ts";
import { dispose, mapTree, scope, type Tree } from "../tensor/scope.ts";
import { type Shape, sameShape } from "../tensor/shape.ts";
import { copyBuffer, type Tensor, tensor, upload } from "../tensor/tensor.ts";
import { type LoraOptions, lora, loraMerge } from "./lora.ts";
import type { At, Recipe } from "./recipe.ts";

/** As published [Mbakam 2025, table 9, and the authors' trainer]: AdamW, 2 (ImageNet) or 4 (LSUN) pictures a step. */
export const ud2mTraining = { lr: 1e-4, weightDecay: 0.01, batch: 4, rank: 5, alpha: 1.5 } as const;

export interface Ud2mRecipeOptions extends UnfoldedOptions {
  /** The prior's parameters, which stay as they are, and the network as a denoiser of any parameters. */
  base: Params;
  denoiser(params: Params): Denoiser;
  /** What is adapted. Rank 5, alpha 1.5 and UD2M's own init, where not said. */
  lora: Omit<LoraOptions, "rank" | "rng"> & { rank?: number };
  /** Gives the start, trained along at a tenth of the rate, with `start: "model"`. */
  ram?: Ud2mRam;
  /** A batch [N, H, W, C] in [-1, 1]. */
  pictures(random: Rng): Promise<Tensor>;
  /** Drawn for each step; its tensors are `holds`. */
  operator(shape: Shape, random: Rng): Operator;
  /** In signed units, or between two levels. */
  sigmaNoise: number | readonly [number, number];
  /** Weights of the terms: published 1, .1, 1 (which no text gives) and .01. */
  weights?: { l2?: number; lpips?: number; adversarial?: number; penalty?: number };
  /** The perceptual distance, [N]. Without one the term is left out. */
  lpips?(x: Tensor, truth: Tensor): Tensor;
  /** Tells pictures from samples, given y as a picture. Without one nothing is adversarial. */
  judge?: Discriminator;
  /** Multiplies the judge's learning rate. Published: 1. */
  judgeRate?: number;
  /** y as a picture, for the judge. Default: y, or A's pseudo-inverse of it where its shape is another. */
  condition?(A: Operator, y: Tensor): Tensor;
  /** Which numbers are learned. Default: in "repo" LAMBDA, TAUG, TLAT, and SP for inpainting; in "paper" none. */
  learn?: readonly Ud2mScalar[];
}
export interface Ud2mRam {
  readonly params: Params;
  model(params: Params): Reconstructor;
}

type Seen = Omit<Problem<Operator>, "denoiser">;
/** Pictures and their measurement. A tree: `dispose` frees the operator's tensors too. */
export type Ud2mBatch = { readonly x0: Tensor; readonly seen: Seen & Tree };

const SIGMA = ddpmTable().sigma;
const RAM = "ram.";

/** RAM as trained. Adam moves what it is given by its rate, so a parameter that counts a tenth is trained at a tenth of it. */
export const ud2mRam = ({ params }: Ud2mRam, trained: Params): Params =>
  Object.fromEntries(
    Object.entries(params).map(([name, t]) => [name, lincomb(1, t, 0.1, trained[RAM + name] as Tensor)]),
  );

export const ud2mLearns = (options: Pick<Ud2mRecipeOptions, "learn" | "mode" | "inpainting">): readonly Ud2mScalar[] =>
  options.learn ??
  (options.mode === "paper"
    ? []
    : [...(["LAMBDA", "TAUG", "TLAT"] as const), ...(options.inpainting ? (["SP"] as const) : [])]);

const conditionOf = (A: Operator, y: Tensor): Tensor => {
  if (sameShape(A.range, A.domain)) return y;
  if (!isLinear(A)) throw new TypeError(`ud2m: the judge wants y as a picture; give \`condition\` for ${A.name}`);
  return pinv(A, y);
};

/**
 * UD2M [Mbakam 2025, section 3.2]: a prior with adapters learns to draw from p(x0 | y, x_t) in K unfolded steps.
 *   t ~ U{1 .. 999}, one for the batch     y = A(x0) + n noise     x = L(y, x_t, t)
 *   loss    w_l2 |x - x0|^2 + w_PS LPIPS(x, x0) + w_adv BCE(D(x, y), 1)                      (mean over numbers)
 *   judge   (BCE(D(x0, y), 1) + BCE(D(x, y), 0))/2 + w_GS |grad D(u x0 + (1 - u) x, y)|^2,  u ~ U(0, 1)
 * "repo" compares noises in place of pictures, eps of the x that is not clamped: |x - x0|^2/s^2, s the level of t; and its
 * LPIPS is of pictures in [0, 1], which the metric takes for [-1, 1], as the authors have it. Their second sigmoid in the
 * judge is left out, as the paper does; the gradient of D is that of the number before the sigmoid. Recipe's numbers: see
 * `unfolded`.
 */
export function ud2m(options: Ud2mRecipeOptions): Recipe<Ud2mBatch> {
  const { base, ram, judge, mode = "repo", weights = {} } = options;
  const { l2 = 1, lpips = 0.1, adversarial = 1, penalty = 0.01 } = weights;
  const condition = options.condition ?? conditionOf;
  const names = ud2mLearns(options);
  const adapters = ud2mLora(options.lora);
  const merge = loraMerge(base, adapters);
  const L = unfolded(options);

  /** What L makes of a noisy picture and its measurement. */
  const drawn = (params: Params, { x0, seen }: Ud2mBatch, { random, scalars }: At) => {
    const t = random.integer(1, SIGMA.length - 1);
    const s = SIGMA[t] as number;
    const xt = lincomb(1, x0, s, random.normal(x0.shape));
    const problem = problemOf(seen, params);
    const numbers = Object.fromEntries(
      names.map((name) => [name, learned(scalars[name] as number, params[name] as Tensor)]),
    );
    return { out: L(problem, xt, t, random, numbers), s };
  };
  const problemOf = (seen: Seen, params: Params): Problem<Operator> => ({
    ...seen,
    denoiser: options.denoiser(merge(params)),
    ...(ram && { model: ram.model(ud2mRam(ram, params)) }),
  });
  const reconstruction = ({ x }: Unfolded, x0: Tensor, s: number) => {
    const scale = mode === "paper" ? 1 : 1 / s;
    return mean(square(lincomb(scale, x, -scale, x0)));
  };
  const shown = (x: Tensor) => (mode === "paper" ? x : affine(x, 0.5, 0.5));

  return {
    name: "ud2m",
    init: (random) => initial(options, adapters, random),
    ...(names.length && { scalars: Object.fromEntries(names.map((name) => [name, 0])) }),
    adam: { weightDecay: ud2mTraining.weightDecay },
    batch: (random) => measured(options, random),
    loss: (params, batch, at) =>
      scope(() => {
        const { x0, seen } = batch;
        const { out, s } = drawn(params, batch, at);
        const terms: (number | Tensor)[] = [l2, reconstruction(out, x0, s)];
        if (options.lpips && lpips) terms.push(lpips, mean(options.lpips(shown(out.x0), shown(x0))));
        if (judge && at.judge && adversarial) {
          const picture = constant(() => condition(seen.A, seen.y));
          terms.push(adversarial, mean(softplus(lincomb(-1, judge.apply(at.judge, out.x0, picture)))));
        }
        return lincomb(...terms);
      }),
    ...(judge && {
      adversary: {
        init: (random: Rng) => initParams(judge, random),
        adam: { weightDecay: ud2mTraining.weightDecay, rate: options.judgeRate ?? 1 },
        loss: (params: Params, batch: Ud2mBatch, at: At & { readonly judged: Params }) =>
          scope(() => {
            const { x0, seen } = batch;
            const fake = constant(() => scope(() => drawn(at.judged, batch, at).out.x0));
            const y = constant(() => condition(seen.A, seen.y));
            const u = at.random.uniform([x0.shape[0] as number, 1, 1, 1]);
            return ud2mJudgeLoss(judge, params, { real: x0, fake, y, u }, penalty);
          }),
      },
    }),
    async sheet(params, at) {
      const { x0, seen } = await measured(options, at.random);
      const used = scope(() => detachedCopy({ adapted: merge(params), ram: ram ? ud2mRam(ram, params) : {} }));
      const made: Tensor[] = [];
      try {
        made.push(scope(() => lincomb(1, condition(seen.A, seen.y))));
        const problem = {
          ...seen,
          denoiser: options.denoiser(used.adapted),
          ...(ram && { model: ram.model(used.ram) }),
        };
        made.push(await restore(problem, sampler({ ...options, scalars: at.scalars }), { seed: 0 }));
        const columns = await Promise.all([x0, ...made].map(imagePictures));
        return columns.map((pictures, i) => ({ label: ["pictures", "measured", "sampled"][i] as string, pictures }));
      } finally {
        dispose([x0, seen, used, made]);
      }
    },
  };
}

/** The base's own tensors pass through a merge; a copy of everything may be freed without harm to them. */
const detachedCopy = <T>(tree: T): T => mapTree(tree, (t) => lincomb(1, t));

/** The settings of the adapters, published where not said. */
export const ud2mLora = (given: Ud2mRecipeOptions["lora"]): LoraOptions => ({
  rank: ud2mTraining.rank,
  alpha: ud2mTraining.alpha,
  init: "ud2m",
  ...given,
});

/** The judge's loss on pictures and samples [N, H, W, C] of one y; u [N, 1, 1, 1] mixes them for the penalty. */
export const ud2mJudgeLoss = (
  judge: Discriminator,
  params: Params,
  { real, fake, y, u }: { real: Tensor; fake: Tensor; y: Tensor; u: Tensor },
  penalty = 0.01,
): Tensor =>
  scope(() => {
    const score = (x: Tensor, composed = false) => judge.apply(params, x, y, { composed });
    const between = add(mul(u, real), mul(affine(u, -1, 1), fake));
    // norms in ops: the gradient is differentiated again
    const [slope] = vjp((x: Tensor) => sum(score(x, true)), between).pullback(tensor([], [1]));
    const size = mean(sumSquares(slope, { axes: slope.shape.map((_, i) => i).slice(1) }));
    return lincomb(0.5, mean(softplus(lincomb(-1, score(real)))), 0.5, mean(softplus(score(fake))), penalty, size);
  });

async function measured(
  { pictures, operator, sigmaNoise: level }: Pick<Ud2mRecipeOptions, "pictures" | "operator" | "sigmaNoise">,
  random: Rng,
): Promise<Ud2mBatch> {
  const x0 = await pictures(random);
  try {
    return scope(() => {
      const sigmaNoise = typeof level === "number" ? level : level[0] + (level[1] - level[0]) * random.number();
      const A = operator(x0.shape.slice(1), random);
      const clean = A.apply(x0);
      const noisy = lincomb(1, clean, sigmaNoise, random.normal(clean.shape));
      // what a mask hides has no noise either
      const y = A.name === "inpaint" && isLinear(A) ? A.adjoint(noisy) : noisy;
      return { x0, seen: { A, y, sigmaNoise } as Ud2mBatch["seen"] };
    });
  } catch (error) {
    x0.dispose();
    throw error;
  }
}

/** Adapters as drawn; of RAM what is added to it, 0 at first. */
function initial({ base, ram }: Ud2mRecipeOptions, options: LoraOptions, random: Rng): Flat {
  const made = lora(base, { ...options, rng: random });
  if (!ram) return made.flat;
  const own = Object.entries(ram.params).map(([name, t]) => [RAM + name, t.shape] as const);
  const shapes = Object.entries(made.adapters).map(([name, t]) => [name, t.shape] as const);
  const all = flat(Object.fromEntries([...shapes, ...own]));
  for (const chunk of all.chunks) upload(chunk, new Float32Array(chunk.size));
  for (const [name, t] of Object.entries(made.adapters)) copyBuffer(t, all.tree[name] as Tensor);
  dispose([made.flat.chunks, made.adapters]);
  return all;
}
