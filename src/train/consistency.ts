import { mul } from "../../kernels/broadcast.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import type { Rng } from "../../kernels/random.ts";
import { mean } from "../../kernels/reduce.ts";
import { constant } from "../autograd/vjp.ts";
import { combine, type Denoiser, times } from "../diffusion/denoiser.ts";
import { karras, type Range } from "../diffusion/schedules.ts";
import type { Params } from "../nets/net.ts";
import type { Flat } from "../tensor/flat.ts";
import { scope } from "../tensor/scope.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import { type Distance, squaredError } from "./distance.ts";
import type { At, Recipe } from "./recipe.ts";

export interface ConsistencyLossOptions {
  /** Whose ODE is followed from one level to the next. Without one: along the noise that was added (consistency training). */
  teacher?: Denoiser;
  /** Of one step of the ODE. */
  ode?: "heun" | "euler";
  /** Falling, the last the student's sigmaMin. Published: 40, rho = 7, from 80 to .002. */
  levels?: readonly number[];
  /** Published: LPIPS. */
  distance?: Distance;
  /** Of the pair of levels s > t; published: 1. Later training without a teacher takes 1/(s - t). */
  weight?(s: number, t: number): number;
}

/** The 40 levels that consistency models are trained at, inside the range. */
export const consistencyGrid = (range: Range, count = 40): number[] => karras(count, range).slice(0, count);

/** One step of dx/ds = (x - D(x; s))/s from the levels s to t, of each sample: Euler's, or Heun's of two calls. */
export function odeStep(D: Denoiser, x: Tensor, s: readonly number[], t: readonly number[], heun = true): Tensor {
  const slope = (v: Tensor, at: readonly number[]) =>
    times(
      at.map((l) => 1 / l),
      lincomb(1, v, -1, D(v, at)),
    );
  const length = t.map((l, n) => l - (s[n] as number));
  const d = slope(x, s);
  const euler = combine(1, x, length, d);
  return heun ? combine(1, x, length, lincomb(0.5, d, 0.5, slope(euler, t))) : euler;
}

/**
 * Consistency distillation, and training without a teacher [Song 2023, algorithms 2 and 3]:
 *   x = x0 + s z      x' = x + (t - s) (x - D(x; s))/s, or Heun's step      s > t neighbours of a grid, z ~ N(0, 1)
 *   loss = mean of w d(f(x; s), target(x'; t))                               no gradient flows into the target
 * Without a teacher D = x0, so x' = x0 + t z.
 *
 * @param f what is trained, `precondition.consistency` around a network: at sigmaMin it is the picture itself
 * @param target the same with averaged parameters
 */
export function consistencyLoss(
  f: Denoiser,
  target: Denoiser,
  x0: Tensor,
  random: Rng,
  {
    teacher,
    ode = "heun",
    levels = consistencyGrid(f),
    distance = squaredError,
    weight = () => 1,
  }: ConsistencyLossOptions = {},
): Tensor {
  return scope(() => {
    const N = x0.shape[0] as number;
    const picks = Array.from({ length: N }, () => random.integer(0, levels.length - 2));
    const s = picks.map((i) => levels[i] as number);
    const t = picks.map((i) => levels[i + 1] as number);
    const z = random.normal(x0.shape);
    const x = combine(1, x0, s, z);
    const goal = constant(() =>
      scope(() => target(teacher ? odeStep(teacher, x, s, t, ode === "heun") : combine(1, x0, t, z), t)),
    );
    const w = s.map((level, n) => weight(level, t[n] as number));
    return mean(mul(distance(f(x, s), goal), tensor([N], w)));
  });
}

export interface ConsistencyOptions extends ConsistencyLossOptions {
  /** The student of these parameters: `precondition.consistency` around a network. */
  f(params: Params): Denoiser;
  /** Published: the teacher's own parameters. */
  init(random: Rng): Flat;
  /** Pictures [N, H, W, C] in [-1, 1]. */
  batch(random: Rng): Promise<Tensor>;
  /** Whom the student learns from: its own average (published: decay .95), or itself as it is, without gradient. */
  target?: "average" | "itself";
}

/** A few-step model from a denoiser. Published: batch 2048, learning rate 1e-5, decay of the target .95. */
export const consistencyDistillation = ({
  f,
  init,
  batch,
  target = "average",
  ...options
}: ConsistencyOptions): Recipe<Tensor> => ({
  name: "consistency",
  init,
  batch,
  loss: (params, x0, { random, average = params }: At) =>
    consistencyLoss(f(params), f(target === "average" ? average : params), x0, random, options),
});
