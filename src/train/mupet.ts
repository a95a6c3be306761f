import { lincomb } from "../../kernels/lincomb.ts";
import type { Rng } from "../../kernels/random.ts";
import type { Denoiser } from "../diffusion/denoiser.ts";
import type { Range } from "../diffusion/schedules.ts";
import type { LinearOperator } from "../linalg/operator.ts";
import { pinv } from "../linalg/prox_l2.ts";
import { addNoise } from "../physics/noise.ts";
import { detached, dispose, scope, type Tree } from "../tensor/scope.ts";
import type { Shape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { atFixedPoint, type FixedPointOptions } from "./deq.ts";
import { type DsmTraining, drawLevels, dsmLoss, relative, within } from "./dsm.ts";
import { mupetDegradation } from "./mupet_degradations.ts";
import type { At, Recipe } from "./recipe.ts";
import { type Settled, settle } from "./settle.ts";

export interface MupetOptions extends Partial<Range> {
  /** Weight of the fixed point's loss against that of denoising. 1 in the paper; 0 leaves denoising. */
  alpha?: number;
  /** Of the map's gradient step, .05 in the paper: also what the fixed point's gradient is multiplied by. */
  eta?: number;
  /** How the fixed point is found: by Adam in the paper, plain descent by choice of its code. */
  accelerate?: "plain" | "adam" | "anderson";
  /** Adam's step; .05 of pictures in [0, 1] in the paper, so .1 here. */
  lr?: number;
  /** Mean squared step at rest; 5e-5 of pictures in [0, 1] in the paper, so 2e-4 here. */
  tol?: number;
  /** Multiplies `tol` by the noise of pictures in [0, 1], as the commands do that the authors give. The paper does not say so. */
  tolByNoise?: boolean;
  maxIterations?: number;
  /** From 2 z as in the paper, or from A^T (A A^T + (2 s)^2)^-1 y, which is nearer. The authors' code offers such starts too. */
  start?: "noise" | "measurement";
  /** Root mean square beyond which it has diverged. The authors' code looks at the largest number, 1000 of pictures in [0, 1]. */
  bound?: number;
  /** Iterations between two looks. The authors look at each; see `settle`. */
  every?: number;
  /** Jacobian-free in the paper. */
  gradient?: FixedPointOptions["gradient"];
  /** The degradation of a batch. Its tensors (`holds`) are freed here. */
  degradation?(shape: Shape, random: Rng): LinearOperator;
  /** Told of each fixed point. */
  onSettled?(settled: Settled, about: { step: number; sigma: number; A: LinearOperator }): void;
}

/** Pictures, and of a step that found it, the fixed point x for the measurement y of A. A owns its tensors, as a tree does. */
export type MupetBatch =
  | { readonly x0: Tensor }
  | { readonly x0: Tensor; readonly x: Tensor; readonly y: Tensor; readonly A: Tree };

/**
 * The MAP map, a gradient step on |Ax - y|^2/2 - s^2 log p [MUPET, eq. 3 with G = -score]:
 *   g(x) = x - eta (A^T (Ax - y) + x - D(x; s))         as s^2 score(x; s) = D(x; s) - x
 */
export const mapStep =
  (D: Denoiser, A: LinearOperator, y: Tensor, sigma: number, eta: number) =>
  (x: Tensor): Tensor =>
    scope(() => lincomb(1 - eta, x, -eta, A.adjoint(lincomb(1, A.apply(x), -1, y)), eta, D(x, sigma)));

/**
 * MUPET [Willingham 2025, algorithm 1]: a denoiser is refined at the fixed points of MAP estimation, on problems drawn at random.
 *   y = A x0 + s n,  A and s drawn for the batch      x = g(x), from 2 z, by Adam, nothing recorded      n, z ~ N(0, 1)
 *   loss = alpha mean (g(x) - x0)^2/s^2 + mean (D(x0 + s z'; s) - x0)^2/s^2           g differentiated once, at x [eq. 9]
 * Pictures are in [-1, 1] and s twice what the paper prints. The authors divide by s only; neither loss is summed over pixels.
 * Where no fixed point is found in bounds the step is one of denoising; one that still moves after the last iteration is used.
 */
export function mupet(
  { trained, images }: DsmTraining,
  {
    alpha = 1,
    eta = 0.05,
    accelerate = "adam",
    lr = 0.1,
    tol = 2e-4,
    tolByNoise = false,
    maxIterations = 500,
    start = "noise",
    bound = 2000,
    every = 10,
    gradient = "jacobian-free",
    degradation = mupetDegradation,
    onSettled,
    ...bounds
  }: MupetOptions = {},
): Recipe<MupetBatch> {
  /** The level of the batch: the same whenever the step asks. */
  const levelsOf = (D: Denoiser, { random }: At) => drawLevels("mupet", within(D, bounds), 1, random.fork(0));
  return {
    name: "mupet",
    init: trained.init,
    batch: async (random) => ({ x0: await images(random) }),
    async prepare(params, { x0 }, at) {
      if (!(alpha > 0)) return { x0 };
      const D = trained.denoiser(params);
      const [sigma] = levelsOf(D, at) as [number];
      const { random, step } = at;
      const { A, y, first } = detached(() =>
        scope(() => {
          const A = degradation(x0.shape.slice(1), random.fork(1));
          const y = addNoise(A.apply(x0), sigma, random.fork(2));
          const noise = () => lincomb(2, random.fork(3).normal(x0.shape));
          return { A, y, first: start === "noise" ? noise() : pinv(A, y, (2 * sigma) ** 2) };
        }),
      );
      let found: Tensor | undefined;
      try {
        const settled = await settle(mapStep(D, A, y, sigma, eta), first, {
          ...{ accelerate, lr, maxIterations, bound, every },
          tol: tolByNoise ? (tol * sigma) / 2 : tol,
          late: 1, // the authors count Adam's steps from 2
        });
        onSettled?.(settled, { step, sigma, A });
        if (settled.end === "diverged") settled.x.dispose();
        else found = settled.x;
        return found ? { x0, x: found, y, A: A as unknown as Tree } : { x0 };
      } finally {
        dispose(found ? first : [y, first, A]);
      }
    },
    loss(params, batch, at) {
      const D = trained.denoiser(params);
      const { x0 } = batch;
      const [sigma] = levelsOf(D, at) as [number];
      return scope(() => {
        const denoising = dsmLoss(D, x0, sigma, at.random.fork(4));
        if (!("x" in batch)) return denoising;
        const g = mapStep(D, batch.A as unknown as LinearOperator, batch.y, sigma, eta);
        return lincomb(1, denoising, alpha, relative(atFixedPoint(g, batch.x, { gradient }), x0, sigma));
      });
    },
  };
}
