import { clamp } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { vjp } from "../autograd/vjp.ts";
import { type Bridge, bridge, product } from "../diffusion/bridge.ts";
import { isLinear, type Operator } from "../linalg/operator.ts";
import { pinv } from "../linalg/prox_l2.ts";
import { sameShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { misfit } from "./misfit.ts";
import type { Problem, Solver, State } from "./solver.ts";

export interface I2sbOptions {
  /** Calls of the network; published: 1000, 100 for CDDB. */
  steps?: number;
  /** Of its training: index 0 is the picture, the last its degraded form. */
  of?: Bridge;
  /** No noise on the way: the network was trained so. Published for deblurring and inpainting. */
  otOde?: boolean;
  /** Of CDDB: a step down the misfit of the guess; "deep" through the network. */
  guidance?: "none" | "cddb" | "cddb-deep";
  /** Of the guidance. */
  step?: number;
  /** Holds the guess in [-1, 1]. */
  clip?: boolean;
  /** Inpainting: noise in the hole at first, and around it the measurement in every step. */
  hole?: boolean;
}

/** Where a bridge begins: the measurement itself if it is a picture of the same shape, else A^+ y. */
export function bridgeStart(A: Operator, y: Tensor): Tensor {
  if (sameShape(A.range, A.domain) && (A.rangeType ?? "f32") === (A.domainType ?? "f32")) return lincomb(1, y);
  if (isLinear(A)) return pinv(A, y, 0);
  throw new TypeError(
    `i2sb: ${A.name ?? "the operator"} is not linear and gives no picture of the same shape: a bridge has nowhere to begin`,
  );
}

/** v where A, a mask, sees it; x in the hole. */
function around(A: Operator, v: Tensor, x: Tensor): Tensor {
  if (!isLinear(A))
    throw new TypeError(`i2sb: hole expects a mask, got ${A.name ?? "an operator"}, which is not linear`);
  return lincomb(1, x, 1, pinv(A, A.apply(lincomb(1, v, -1, x)), 0));
}

/** n + 1 indices from 0 to last, evenly spaced. */
export const bridgeSteps = (n: number, last: number): number[] => {
  if (!(Number.isInteger(n) && n >= 1 && n <= last))
    throw new RangeError(`i2sb: 1 to ${last} steps expected, got ${n}`);
  return Array.from({ length: n + 1 }, (_, i) => Math.round((i * last) / n));
};

/**
 * I2SB [Liu 2023, algorithm 2], a bridge from the degraded picture, and CDDB [Chung 2023], which holds it to the measurement.
 * From index n to m, f = `forward`, d^2 = f_n^2 - f_m^2:
 *   x0 = D(x; f_n)      x = (d^2 x0 + f_m^2 x)/(f_m^2 + d^2) + (f_m d/sqrt(f_m^2 + d^2)) z      no z where m = 0 or with otOde
 *   cddb:       x -= step d^2/(f_m^2 + d^2) grad |A(x0) - y|^2, the gradient in x0
 *   cddb-deep:  x -= step grad |A(x0) - y|^2, the gradient in x
 * The denoiser is `bridgeDenoiser` around the network; a network that sees the degraded picture too is the problem's `model`.
 * It ends at index 0, as published: short of the last guess by f_0 = .01.
 */
export function i2sb({
  steps = 100,
  of = bridge(),
  otOde = false,
  guidance = "none",
  step: rate = 1,
  clip = false,
  hole = false,
}: I2sbOptions = {}): Solver<Problem<Operator>> {
  const at = bridgeSteps(steps, of.forward.length - 1).reverse();
  const level = (k: number) => of.forward[at[k] as number] as number;
  return {
    name: guidance === "none" ? "i2sb" : guidance,
    steps,
    init({ y, A }, rng) {
      const start = bridgeStart(A, y);
      const x = hole ? around(A, start, rng.normal(start.shape)) : start;
      return { x, x0: x, ...(hole && { x1: start }), sigma: level(0) };
    },
    step({ y, A, denoiser, model }, { x, x1 }, k, rng) {
      const [s, t] = [level(k), level(k + 1)];
      const guess = (v: Tensor) => {
        const x0 = model ? model(y, A, { x: v, sigma: s }) : denoiser(v, s);
        return clip ? clamp(x0, -1, 1) : x0;
      };
      const { value: x0, pullback } =
        guidance === "cddb-deep" ? vjp(guess, x) : { value: guess(x), pullback: undefined };
      const { first: mu, second, std } = product(t, Math.sqrt(s * s - t * t));
      const last = at[k + 1] === 0;
      let next = lincomb(mu, x0, second, x);
      if (!otOde && !last) next = lincomb(1, next, std, rng.normal(x.shape));
      if (guidance !== "none") {
        const { gradient } = misfit(A, x0, y); // of half the square
        next = lincomb(1, next, -2 * rate * (pullback ? 1 : mu), pullback ? pullback(gradient)[0] : gradient);
      }
      const state = (x: Tensor): State => ({ x, x0, ...(hole && { x1: x1 as Tensor }), sigma: t });
      if (!hole) return state(next);
      const noise = otOde ? 0 : of.at(at[k + 1] as number).std;
      const known = lincomb(1, x1 as Tensor, noise, rng.normal(x.shape));
      return state(around(A, known, next));
    },
  };
}
