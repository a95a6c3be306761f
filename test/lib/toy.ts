/**
 * The Gaussian toy: pixels N(0, c), measured as y = s x + sigmaNoise n, and the exact denoiser. What a solver makes of it follows
 * from its recursion in one number. 128^2 pixels are 16,384 chains: their std is known to 0.55 %.
 */
import { expect } from "vitest";
import { rng } from "../../kernels/random.ts";
import type { Denoiser } from "../../src/diffusion/denoiser.ts";
import { gaussian } from "../../src/diffusion/gaussian.ts";
import type { LinearOperator, Operator } from "../../src/linalg/operator.ts";
import { scale } from "../../src/linalg/operator.ts";
import { identity } from "../../src/physics/identity.ts";
import { type Problem, type RunOptions, restore, type Sampling, type Solver } from "../../src/solvers/solver.ts";
import { dispose, scope } from "../../src/tensor/scope.ts";
import type { Shape } from "../../src/tensor/shape.ts";
import { tensor } from "../../src/tensor/tensor.ts";

export const SEED = 5;
export const shape: Shape = [1, 128, 128, 1];
export interface Toy {
  /** Variance of the prior, gain of the operator, measurement. */
  c: number;
  s: number;
  y: number;
  sigmaNoise?: number;
  denoiser?: Denoiser;
  /** In place of s times the identity. */
  A?: LinearOperator;
  shape?: Shape;
}

export const gain = (c: number, sigma: number) => c / (c + sigma * sigma);
/** Of the exact posterior. */
export const exact = ({ c, s, y, sigmaNoise: n = 0.05 }: Toy) => ({
  mean: (c * s * y) / (c * s * s + n * n),
  std: Math.sqrt((c * n * n) / (c * s * s + n * n)),
});

export function problemOf({ c, s, y, sigmaNoise = 0.05, denoiser, A, shape: full = shape }: Toy): Problem {
  return scope(() => {
    const operator = A ?? scale(s, identity(full.slice(1)));
    const measured = [full[0] as number, ...operator.range];
    return {
      y: tensor(measured, new Float32Array(measured.reduce((a, b) => a * b, 1)).fill(y)),
      A: operator,
      sigmaNoise,
      denoiser: denoiser ?? gaussian({ variance: c, sigmaMax: 160 }),
    };
  });
}

/** The solver's last iterate. */
export async function solved(
  solver: Solver<Problem> | Solver<Problem<Operator>>,
  toy: Toy,
  options: RunOptions = {},
): Promise<Float32Array> {
  const problem = problemOf(toy);
  try {
    const x = await restore(problem, solver as Solver<Problem>, { seed: SEED, ...options });
    const out = await x.read();
    x.dispose();
    return out;
  } finally {
    dispose([problem.y, problem.A.holds]);
  }
}
export async function sampled(solver: Solver<Sampling>, denoiser: Denoiser, options: RunOptions = {}) {
  const x = await restore({ denoiser, shape }, solver, { seed: SEED, ...options });
  const out = await x.read();
  x.dispose();
  return out;
}

/** The normal numbers that a run draws: n tensors in init (step -1) or in a step. */
export async function draws(step: number, n = 1, full: Shape = shape): Promise<Float32Array[]> {
  const tensors = scope(() => {
    const random = rng(SEED).fork(step + 1);
    return Array.from({ length: n }, () => random.normal(full));
  });
  const out = await Promise.all(tensors.map((t) => t.read()));
  dispose(tensors);
  return out;
}

export function moments(x: ArrayLike<number>) {
  const values = Array.from(x);
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return { mean, std: Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length) };
}

/** Prints both; within so much of the std, and in mean within that and what 16,384 chains leave open (four sigma). */
export function expectMoments(what: string, x: ArrayLike<number>, want: { mean: number; std: number }, within = 0.02) {
  const got = moments(x);
  const f = (v: number) => v.toFixed(4);
  console.log(`${what}: mean ${f(got.mean)} (${f(want.mean)}), std ${f(got.std)} (${f(want.std)})`);
  expect(Math.abs(got.mean - want.mean)).toBeLessThan((4 * want.std) / 128 + 1e-3 + within * want.std);
  expect(Math.abs(got.std / want.std - 1)).toBeLessThan(within);
}
