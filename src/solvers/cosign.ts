import { clamp } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { karras, type Range } from "../diffusion/schedules.ts";
import { isLinear, type Operator } from "../linalg/operator.ts";
import { pinv } from "../linalg/prox_l2.ts";
import { type Problem, pictureShape, type Solver } from "./solver.ts";

export interface CosignOptions {
  /** Indices of the 40 levels at which the model is called, rising from 0. Published: 0, or 0 and 17. */
  at?: readonly number[];
  /** Holds the guess to the measurement, as DDNM+ does. */
  hard?: boolean;
  range?: Range;
}

/**
 * CoSIGN [Zhao 2024]: a consistency model f that sees the measurement, called once or twice. From x = s z, at each level s:
 *   x0 = f(x; s, y)      hard: x0 += l A^+ (y - A x0),  l = min(1, t/sigmaNoise)            in [-1, 1]
 *   x  = x0 + sqrt(g^2 - sigmaMin^2) z,  g = t, or sqrt(t^2 - (l sigmaNoise)^2) with hard   t the next level, at last sigmaMin
 * The model is the problem's `model`, as `cosignModel` makes it; the denoiser is not asked.
 */
export function cosign({
  at = [0, 17],
  hard = false,
  range = { sigmaMin: 0.002, sigmaMax: 80 },
}: CosignOptions = {}): Solver<Problem<Operator>> {
  const { sigmaMin } = range;
  const trained = karras(40, range);
  const levels = at.map((i) => trained[i] as number);
  if (!at.length || at.some((i, k) => !(i >= 0 && i < 39) || (k > 0 && i <= (at[k - 1] as number))))
    throw new RangeError(`cosign: expected rising indices of 0 to 38, got ${at.join(", ")}`);
  return {
    name: "cosign",
    steps: at.length,
    init(problem, rng) {
      const sigma = levels[0] as number;
      const x = lincomb(sigma, rng.normal(pictureShape(problem)));
      return { x, x0: x, sigma };
    },
    step({ y, A, sigmaNoise: n, model }, { x }, i, rng) {
      if (!model)
        throw new TypeError(
          "cosign: expected a problem with a `model`, a consistency model with its control; got none",
        );
      const t = levels[i + 1] ?? sigmaMin;
      const guess = clamp(model(y, A, { x, sigma: levels[i] as number }), -1, 1);
      const trust = n > 0 ? Math.min(1, t / n) : 1;
      const x0 = hard ? clamp(lincomb(1, guess, trust, missing(A, y, guess)), -1, 1) : guess;
      if (i === at.length - 1) return { x: x0, x0, sigma: 0 };
      const spread = hard ? Math.sqrt(Math.max(0, t * t - (trust * n) ** 2)) : t;
      const noise = Math.sqrt(Math.max(0, spread ** 2 - sigmaMin ** 2));
      return { x: lincomb(1, x0, noise, rng.normal(x.shape)), x0, sigma: t };
    },
  };
}

/** A^+ (y - A x). */
function missing(A: Operator, y: Problem["y"], x: Problem["y"]): Problem["y"] {
  if (!isLinear(A)) throw new TypeError(`cosign: hard expects a linear operator, got ${A.name ?? "another"}`);
  return pinv(A, lincomb(1, y, -1, A.apply(x)), 0);
}
