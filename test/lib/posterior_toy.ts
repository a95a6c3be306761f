/**
 * The toy that posterior samplers are tried on: pixels N(0, c), measured as y = s x + sigmaNoise n, whose exact denoiser is
 * c/(c + l^2) x. What a run draws can be had on the host too, so that its recursion is known number by number.
 */
import { rng } from "../../kernels/random.ts";
import { gaussian } from "../../src/diffusion/gaussian.ts";
import { scale } from "../../src/linalg/operator.ts";
import { identity } from "../../src/physics/identity.ts";
import { type Problem, type RunOptions, restore, type Solver } from "../../src/solvers/solver.ts";
import { dispose, scope } from "../../src/tensor/scope.ts";
import { type Shape, sizeOf } from "../../src/tensor/shape.ts";
import { tensor } from "../../src/tensor/tensor.ts";

export const SIGMA = 0.05;
export const SEED = 5;
/** c, s and y. */
export type Case = readonly [c: number, s: number, y: number];
/** The cases of the table. */
export const CASES = [
  [0.25, 1, 0.6],
  [0.25, 0.5, 0.3],
  [0.04, 0.2, 0.05],
] as const satisfies readonly Case[];

/** What the denoiser multiplies by. */
export const gain = (level: number, c: number): number => c / (c + level * level);

/** The posterior of a pixel. */
export const exact = ([c, s, y]: Case) => {
  const v = c * s * s + SIGMA ** 2;
  return { mean: (c * s * y) / v, std: Math.sqrt((c * SIGMA ** 2) / v) };
};

/** Runs a solver on the toy, the numbers of y all alike, and reads what it ends with. */
export async function solve(
  solver: Solver<Problem>,
  [c, s, y]: Case,
  shape: Shape,
  { sigmaMax = 160, sigmaNoise = SIGMA, ...options }: RunOptions & { sigmaMax?: number; sigmaNoise?: number } = {},
): Promise<Float32Array> {
  const problem = scope(() => ({
    y: tensor(shape, new Float32Array(sizeOf(shape)).fill(y)),
    A: scale(s, identity(shape.slice(1))),
    sigmaNoise,
    denoiser: gaussian({ variance: c, channels: shape.at(-1) as number, sigmaMax }),
  }));
  const x = await restore(problem, solver, { seed: SEED, ...options });
  const got = await x.read();
  dispose([x, problem.y, problem.A]);
  return got;
}

/** The normal numbers that a run draws: `first` where it begins, `at(i)` in step i, so many times. */
export async function draws(shape: Shape, steps: number, count = 1) {
  const all: Float32Array[][] = [];
  for (let i = 0; i <= steps; i++) {
    const random = rng(SEED).fork(i);
    const some: Float32Array[] = [];
    for (let k = 0; k < (i === 0 ? 1 : count); k++) {
      const z = random.normal(shape);
      some.push(await z.read());
      z.dispose();
    }
    all.push(some);
  }
  return { first: (all[0] as Float32Array[])[0] as Float32Array, at: (i: number) => all[i + 1] as Float32Array[] };
}

export interface Moments {
  mean: number;
  std: number;
}
export function moments(x: Float32Array): Moments {
  const mean = x.reduce((a, b) => a + b, 0) / x.length;
  return { mean, std: Math.sqrt(x.reduce((a, b) => a + (b - mean) ** 2, 0) / x.length) };
}

/** A line of the report: what was to come out, and what did. */
export function report(what: string, want: Moments, got: Moments): void {
  const show = ({ mean, std }: Moments) => `${mean.toFixed(4)} +- ${std.toFixed(4)}`;
  console.log(`${what}: expected ${show(want)}, got ${show(got)}`);
}
