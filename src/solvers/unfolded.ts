import { concat } from "../../kernels/concat.ts";
import { clamp } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import type { Rng } from "../../kernels/random.ts";
import { reshape } from "../../kernels/reshape.ts";
import { mapped, numberOf, plus, times, type Weight, weigh } from "../autograd/learned.ts";
import { constant } from "../autograd/vjp.ts";
import { ddpmTable } from "../diffusion/schedules.ts";
import { isLinear, type LinearOperator, linear, type Operator, scale, stack } from "../linalg/operator.ts";
import { pinv } from "../linalg/prox_l2.ts";
import { scope } from "../tensor/scope.ts";
import { sameShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { adamMove, type Moments } from "./adam_move.ts";
import { misfit } from "./misfit.ts";
import { proxLearned } from "./prox_learned.ts";
import type { Problem } from "./solver.ts";

/** What the published code learns beside its adapters; all begin at 0 and are shared by the modules. */
export const UD2M_SCALARS = ["TAUG", "TLAT", "SP", "LAMBDA"] as const;
export type Ud2mScalar = (typeof UD2M_SCALARS)[number];
export type Ud2mScalars = Partial<Readonly<Record<Ud2mScalar, Weight>>>;

export interface UnfoldedOptions {
  /** K, the modules. Published: 3. */
  modules?: number;
  /**
   * "paper": section 3 of the paper with its formulas corrected, nothing learned but the adapters, nothing clamped.
   * "repo": as the authors' code trains, with the scalars below, the clamp and, for inpainting, known pixels put back.
   */
  mode?: "paper" | "repo";
  /** The measurement is a mask: rho is 13 times as large, SP may be learned, and in "repo" known pixels are put back. */
  inpainting?: boolean;
  /**
   * What the first module is given. "blend": A^T (A A^T + (2 sigmaNoise)^2)^-1 y and x_t, weighted by what noise is in
   * each. "adjoint": A^T y, as the code's trainer. "model": the problem's `model` (RAM) sees both measurements at once.
   */
  start?: "blend" | "pinv" | "adjoint" | "model";
  /** lambda_sig: the measurement's variance is taken to be so many times what it is; e^LAMBDA multiplies it. */
  lambda?: number;
  /** The prox's delta. Default: rho^2, as the code has it; the paper gives none. */
  delta?: number;
  /** Puts fresh noise under each prox. Without, the network is shown the prox itself. */
  renoise?: boolean;
  /** For operators that are not linear: steps of Adam and their length. The code takes 3; its length is not published. */
  adam?: { steps?: number; lr?: number };
}

/** What a module chain makes: the last network's picture, and what counts as the sample (clamped in "repo"). */
export interface Unfolded {
  readonly x: Tensor;
  readonly x0: Tensor;
}

const { alphaBar, sigma: SIGMA } = ddpmTable();
const LAST = SIGMA.length - 1;
const levelOf = (t: number): number => {
  const s = SIGMA[t];
  if (s === undefined) throw new RangeError(`ud2m: times are whole numbers of 0 to ${LAST}, got ${t}`);
  return s;
};

/** rho_0 = s n/sqrt(s^2 + n^2): the deviation of the picture that x_t (level s) and y (noise n) know together. */
export const ud2mRho = (level: number, sigmaNoise: number, inpainting = false): number => {
  const n = Math.max(sigmaNoise, levelOf(0)) * (inpainting ? 13 : 1);
  return (level * n) / Math.hypot(level, n);
};

/** The time of 1 .. 999 whose level is nearest to rho. */
export function ud2mTime(rho: number): number {
  let best = 1;
  for (let t = 2; t <= LAST; t++) if (Math.abs(levelOf(t) - rho) < Math.abs(levelOf(best) - rho)) best = t;
  return best;
}

/** Held in 1 .. 999, where no gradient flows from outside. */
const held = (t: Weight): Weight =>
  mapped(
    t,
    (v) => Math.min(LAST, Math.max(1, v)),
    (v) => Number(v >= 1 && v <= LAST),
  );

/** alphaBar of a time that need not be whole, linear in between. */
const alphaAt = (t: Weight): Weight => {
  const at = (v: number) => Math.min(LAST - 1, Math.floor(v));
  const slope = (v: number) => (alphaBar[at(v) + 1] as number) - (alphaBar[at(v)] as number);
  return mapped(t, (v) => (alphaBar[at(v)] as number) + (v - at(v)) * slope(v), slope);
};

/**
 * L(y, x_t, t) of UD2M [Mbakam 2025, figure 2]: K modules of LATINO that draw from p(x0 | y, x_t). With x = x_t/sqrt(alphaBar_t)
 * of level s, n = sigmaNoise and x^(0) the start, each module is
 *   prox      z = argmin |A z - y|^2/(2 lambda n^2) + |z - x|^2/(2 s^2) + |z - x^(k)|^2/(2 delta),   delta = rho^2
 *   re-noise  z_u = sqrt(a) z + sqrt(1 - a) noise,  a = alphaBar(u),  rho = e^SP s n/sqrt(s^2 + n^2)
 *   network   x^(k+1) = (z_u - sqrt(1 - a) eps(z_u, u))/sqrt(a)
 * at the time u whose level is nearest to rho, moved by 1000 (TAUG + TLAT). The network may be any denoiser: with
 * D(z/sqrt(a); sqrt(1 - a)/sqrt(a)) its eps is known, so the variance-exploding ones of EDM serve as well.
 *
 * The scalars: the network is told the whole number below u, which has no gradient, so that of TAUG and TLAT is that of
 * alphaBar alone, taken as linear between whole times; SP and LAMBDA act through the prox, exactly (Adam's is not
 * differentiated: what it adds counts as constant, and no scalar has a gradient through it).
 *
 * @param xt x_t/sqrt(alphaBar_t), [N, ...A.domain]
 */
export function unfolded(options: UnfoldedOptions = {}) {
  const { modules = 3, mode = "repo", inpainting = false, start = "blend", lambda = 1, renoise = true } = options;
  if (!Number.isInteger(modules) || modules < 1)
    throw new RangeError(`ud2m: modules must be a whole number from 1 up, got ${modules}`);
  return (problem: Problem<Operator>, xt: Tensor, t: number, random: Rng, scalars: Ud2mScalars = {}): Unfolded =>
    scope(() => {
      const { A, y, denoiser } = problem;
      const { SP = 0, LAMBDA = 0, TAUG = 0, TLAT = 0 } = scalars;
      const s = levelOf(t);
      const noise = Math.max(problem.sigmaNoise, levelOf(0));
      const rho0 = ud2mRho(s, noise, inpainting);
      const variance = mapped(
        LAMBDA,
        (v) => lambda * noise ** 2 * Math.exp(v),
        (v) => lambda * noise ** 2 * Math.exp(v),
      );
      const perRho = (v: number) => Math.exp(-2 * v) / rho0 ** 2;
      const perDelta = options.delta === undefined ? mapped(SP, perRho, (v) => -2 * perRho(v)) : 1 / options.delta;
      const u = held(plus(held(plus(ud2mTime(rho0), times(1000, TAUG))), times(1000, TLAT)));

      let x = startOf(start, problem, xt, t, noise);
      for (let k = 0; k < modules; k++) {
        const [z, fresh] = [proxOf(A, y, x, xt, { s, variance, perDelta, ...options.adam }), renoise];
        x = network(denoiser, z, u, fresh ? random.normal(z.shape) : undefined);
        if (mode === "repo" && inpainting && k < modules - 2) x = known(A, y, x);
      }
      return { x, x0: mode === "repo" ? clamp(x, -1, 1) : x };
    });
}

/** (z_u - sqrt(1 - a) eps)/sqrt(a), eps from a denoiser asked at the whole time j below u, a = alphaBar(u). */
function network(denoiser: Problem["denoiser"], z: Tensor, u: Weight, noise: Tensor | undefined): Tensor {
  const j = Math.floor(numberOf(u));
  const level = levelOf(j);
  const toItself = Math.sqrt(alphaBar[j] as number);
  const a = alphaAt(u);
  const root = mapped(a, Math.sqrt, (v) => 0.5 / Math.sqrt(v));
  const rest = mapped(
    a,
    (v) => Math.sqrt(1 - v),
    (v) => -0.5 / Math.sqrt(1 - v),
  );
  const zu = noise ? weigh(root, z, rest, noise) : weigh(root, z);
  const D = denoiser(lincomb(1 / toItself, zu), level);
  // eps = (zu/sqrt(a_j) - D)/level, and level sqrt(a_j) = sqrt(1 - a_j)
  const share = times(rest, 1 / (level * toItself));
  const inverse = mapped(
    root,
    (v) => 1 / v,
    (v) => -1 / v ** 2,
  );
  const ofZ = times(plus(1, times(-1, share)), inverse);
  return weigh(ofZ, zu, times(times(share, toItself), inverse), D);
}

interface Prox {
  s: number;
  variance: Weight;
  perDelta: Weight;
  steps?: number;
  lr?: number;
}

/** Of the two quadratics one, |z - v|^2 (1/s^2 + 1/delta)/2, and then the operator's own prox. */
function proxOf(A: Operator, y: Tensor, x: Tensor, xt: Tensor, { s, variance, perDelta, ...adam }: Prox): Tensor {
  const precision = plus(1 / s ** 2, perDelta);
  const ofXt = mapped(
    precision,
    (p) => 1 / (s ** 2 * p),
    (p) => -1 / (s * p) ** 2,
  );
  const v = weigh(ofXt, xt, plus(1, times(-1, ofXt)), x);
  const rho = times(variance, precision);
  if (isLinear(A)) return proxLearned(A, v, y, rho);
  return constantMoves(A, y, x, v, numberOf(rho), adam);
}

/** x and what a few steps of Adam on |A(z) - y|^2/2 + rho |z - v|^2/2 add to it, as a constant. */
function constantMoves(A: Operator, y: Tensor, x: Tensor, v: Tensor, rho: number, { steps = 3, lr = 0.02 }): Tensor {
  const moved = constant(() =>
    scope(() => {
      let z = lincomb(1, x);
      let moments: Moments = { m: lincomb(0, x), v: lincomb(0, x) };
      for (let step = 1; step <= steps; step++) {
        const gradient = lincomb(1, misfit(A, z, y).gradient, rho, z, -rho, v);
        const { move, ...next } = adamMove(gradient, moments, { lr, step });
        z = lincomb(1, z, -1, move);
        moments = next;
      }
      return lincomb(1, z, -1, x);
    }),
  );
  return lincomb(1, x, 1, moved);
}

/** A^T y where the mask keeps pixels, x elsewhere. */
function known(A: Operator, y: Tensor, x: Tensor): Tensor {
  if (!isLinear(A)) throw new TypeError("ud2m: inpainting expects a mask, a linear operator with 1 for known pixels");
  return lincomb(1, x, 1, A.adjoint(lincomb(1, y, -1, A.apply(x))));
}

function startOf(
  start: NonNullable<UnfoldedOptions["start"]>,
  { A, y, model }: Problem<Operator>,
  xt: Tensor,
  t: number,
  noise: number,
): Tensor {
  const s = levelOf(t);
  const blend = (x: Tensor) => lincomb(s ** 2 / (s ** 2 + noise ** 2), x, noise ** 2 / (s ** 2 + noise ** 2), xt);
  if (!isLinear(A)) {
    if (start === "model" || !sameShape(A.domain, A.range))
      throw new TypeError(`ud2m: of ${A.name ?? "this operator"}, not linear, a start from y itself is all there is`);
    return start === "blend" ? blend(y) : y;
  }
  if (start === "adjoint") return A.adjoint(y);
  if (start !== "model") {
    const guess = pinv(A, y, (2 * noise) ** 2);
    return start === "pinv" ? guess : blend(guess);
  }
  if (!model) throw new TypeError('ud2m: start "model" expects a problem with a `model`, as RAM is; got none');
  return fromBoth(model, A, y, xt, t, noise);
}

/** A network that sees the measurement is shown y and x_t as one, each scaled to the smaller of their noises. */
function fromBoth(
  model: NonNullable<Problem["model"]>,
  A: LinearOperator,
  y: Tensor,
  xt: Tensor,
  t: number,
  noise: number,
): Tensor {
  const root = Math.sqrt(alphaBar[t] as number);
  const rest = levelOf(t) * root;
  const least = Math.min(noise, rest);
  const copy = (x: Tensor) => lincomb(1, x);
  const itself = linear({
    name: "identity",
    domain: A.domain,
    range: A.domain,
    tight: 1,
    isometric: 1,
    apply: copy,
    adjoint: copy,
  });
  const both = stack(scale(least / noise, A), scale((least * root) / rest, itself));
  const alike = sameShape(A.range.slice(0, -1), A.domain.slice(0, -1));
  const row = (x: Tensor) => (alike ? x : reshape(x, [x.shape[0] as number, -1]));
  const seen = concat([row(lincomb(least / noise, y)), row(lincomb((least * root) / rest, xt))]);
  return model(seen, both, { sigma: least });
}
