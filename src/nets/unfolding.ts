/**
 * Diff-Unfolding [Wang 2025]: the posterior's denoiser as K steps of gradient descent, the operator inside.
 *   x^0 = x_t      x^(k+1) = x^k - gamma_k [A^T (A x^k - y) + tau_k (x^k - R_k(x^k; s))]      D(x_t, y; s) = x^K   (Eq. 9)
 *   R_k(x; s) = c_skip x + c_out F_k(c_in x; c_noise)                                                             (Eq. 20)
 *   gamma_k = softplus(f_gamma), tau_k = softplus(f_tau): small networks of [ln(s)/4, k one-hot];  u = f_u(ln(s)/4)
 * The paper gives neither K, the widths of its small networks nor whether theta differs between steps; 8 networks of one
 * width of EDM's family make its 46.94 M parameters, so K = 8 and untied are the defaults here.
 */
import { add, mul, sub } from "../../kernels/broadcast.ts";
import { slice } from "../../kernels/concat.ts";
import { silu, softplus } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { linear } from "../../kernels/matmul.ts";
import { reshape } from "../../kernels/reshape.ts";
import { checkpoint } from "../autograd/vjp.ts";
import { ShapeError } from "../errors.ts";
import { onReal, realView, viewFor } from "../linalg/on_real.ts";
import { type LinearOperator, scale } from "../linalg/operator.ts";
import { computed } from "../tensor/given.ts";
import { scope } from "../tensor/scope.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import { declare } from "./layers.ts";
import { type Net, type Params, type PerSample, perSample, type Specs } from "./net.ts";
import { levelsOf, type PosteriorNet, type Wrap } from "./posterior_net.ts";

export interface UnfoldingConfig {
  /** F, told c_noise. Complex pictures are real ones of twice the channels to it. */
  net: Net;
  /** One of `precondition`: what makes R of F, for VP, VE, iDDPM or EDM. */
  wrap: Wrap;
  /** K. */
  iterations?: number;
  /** One theta for all steps; otherwise each has its own. */
  tied?: boolean;
  /** Width of the hidden layer of f_gamma, f_tau and f_u. */
  hidden?: number;
  /** A and y divided by |A|, so that one gamma suits operators of all norms; Eq. 9 is without. */
  unitNorm?: boolean;
  /** The standard deviation of pictures, of which u begins. */
  sigmaData?: number;
  /** Networks run again for the gradient instead of keeping their inside: memory of one instead of K, one more forward pass. */
  checkpoint?: boolean;
}

/** One step's numbers, [N, 1, 1, 1] each, and its regulariser. */
export interface UnfoldedStep {
  readonly gamma: Tensor;
  readonly tau: Tensor;
  R(x: Tensor): Tensor;
}

export interface Unfolding extends PosteriorNet {
  readonly iterations: number;
  /** gamma and tau of each step, [N, 1, 1, 1]. */
  weights(params: Params, sigma: readonly number[]): { gamma: Tensor[]; tau: Tensor[] };
  /** u of Eq. 19, [N]: the logarithm of the squared error that is to be expected at a level. */
  uncertainty(params: Params, sigma: readonly number[]): Tensor;
}

/** The steps of Eq. 9, from x on; nothing is known of what R is. x real, or whatever A takes. */
export function unfold(x: Tensor, y: Tensor, A: LinearOperator, steps: readonly UnfoldedStep[]): Tensor {
  let now = x;
  for (const { gamma, tau, R } of steps) {
    const before = now;
    now = scope(() => {
      const slope = A.adjoint(sub(A.apply(before), y));
      return sub(before, mul(gamma, add(slope, mul(tau, sub(before, R(before))))));
    });
    if (before !== x) before.dispose();
  }
  return now;
}

export function unfolding(config: UnfoldingConfig): Unfolding {
  const { net, wrap, iterations: K = 8, tied = false, hidden = 64, unitNorm = false, sigmaData = 0.5 } = config;
  if (!(Number.isInteger(K) && K >= 1)) throw new RangeError(`unfolding: expected 1 iteration or more, got ${K}`);
  const shape = { channels: net.inChannels, multipleOf: net.multipleOf };

  const names = Object.keys(net.parameters);
  const at = (k: number, name: string) => (tied ? `theta.${name}` : `theta.${k}.${name}`);
  const parameters: Specs = {};
  for (let k = 0; k < (tied ? 1 : K); k++)
    for (const name of names) parameters[at(k, name)] = net.parameters[name] as Specs[string];
  declarePair(parameters, "f_gamma", 1 + K, hidden, { fanIn: hidden }, GAMMA);
  declarePair(parameters, "f_tau", 1 + K, hidden, { fanIn: hidden }, TAU);
  declarePair(parameters, "f_u", 1, hidden, 0, 0);

  const theta = (p: Params, k: number): Params => Object.fromEntries(names.map((n) => [n, p[at(k, n)] as Tensor]));
  const regulariser = (p: Params, k: number, sigma: PerSample) => {
    const R = (x: Tensor, own: Params) => wrap((v, noise) => net.apply(own, v, noise), shape)(x, sigma);
    const run = config.checkpoint ? checkpoint(R) : R;
    return (x: Tensor) => run(x, theta(p, k));
  };
  const weights: Unfolding["weights"] = (p, sigma) => {
    const N = sigma.length;
    // rows [K N, 1 + K]: step by step, each sample's level and which step it is
    const rows = tensor(
      [K * N, 1 + K],
      computed(sigma, (levels) => {
        const out = new Float32Array(K * N * (1 + K));
        for (let row = 0; row < K * N; row++) {
          out[row * (1 + K)] = Math.log(levels[row % N] as number) / 4;
          out[row * (1 + K) + 1 + Math.floor(row / N)] = 1;
        }
        return out;
      }),
    );
    const of = (name: string) => {
      const all = softplus(perceptron(p, name, rows));
      return Array.from({ length: K }, (_, k) => reshape(slice(all, 0, k * N, N), [N, 1, 1, 1]));
    };
    return { gamma: of("f_gamma"), tau: of("f_tau") };
  };

  return {
    name: "diff_unfolding",
    parameters,
    ...levelsOf(wrap, shape),
    calls: K,
    iterations: K,
    weights,
    uncertainty: (p, sigma) =>
      scope(() => {
        const N = sigma.length;
        const row = (f: (s: number) => number) => tensor([N, 1], sigma.map(f));
        // the error of EDM's denoiser before it has learnt anything, c_out^2, and what f_u makes of it
        const first = row((s) => Math.log((s * sigmaData) ** 2 / (s * s + sigmaData ** 2)));
        const level = row((s) => Math.log(s) / 4);
        return reshape(add(first, perceptron(p, "f_u", level)), [N]);
      }),
    apply: (p, x, y, A, sigma) =>
      scope(() => {
        const levels = perSample(sigma, x.shape[0] as number);
        const { gamma, tau } = weights(p, levels);
        const { view, measured } = normalised(onReal(A), y, unitNorm);
        const steps = gamma.map((g, k) => ({ gamma: g, tau: tau[k] as Tensor, R: regulariser(p, k, sigma) }));
        return viewFor(A, unfold(realView(x), measured, view, steps));
      }),
  };
}

/** softplus^-1 of 1/2 and of 2: at first, each step denoises whole and goes half the way towards the measurement. */
const GAMMA = Math.log(Math.expm1(0.5));
const TAU = Math.log(Math.expm1(2));

function declarePair(
  specs: Specs,
  at: string,
  into: number,
  hidden: number,
  init: Specs[string]["init"],
  bias: number,
): void {
  declare.linear(specs, `${at}.0`, hidden, into);
  specs[`${at}.2.weight`] = { shape: [1, hidden], init };
  specs[`${at}.2.bias`] = { shape: [1], init: bias };
}

/** One hidden layer, [rows, into] to [rows, 1]. */
function perceptron(p: Params, at: string, rows: Tensor): Tensor {
  const layer = (h: Tensor, i: number) => linear(h, p[`${at}.${i}.weight`] as Tensor, p[`${at}.${i}.bias`] as Tensor);
  return layer(silu(layer(rows, 0)), 2);
}

function normalised(A: LinearOperator, y: Tensor, unitNorm: boolean): { view: LinearOperator; measured: Tensor } {
  if (!unitNorm) return { view: A, measured: y };
  const { norm } = A;
  if (norm === undefined)
    throw new ShapeError(
      `unfolding: ${A.name ?? "the operator"} does not say its norm, by which it is to be divided; give it one, or leave unitNorm out`,
    );
  return { view: scale(1 / norm, A), measured: lincomb(1 / norm, y) };
}
