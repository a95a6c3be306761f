/**
 * The posterior solvers that people name, with settings for tens of steps and a prior of any size. What papers print, for
 * a thousand steps at 256 x 256 and noise .05, stands in each solver's presets.
 */
import { karras, type Levels } from "./diffusion/schedules.ts";
import { daps } from "./solvers/daps.ts";
import { ddiff, ddiffHqs } from "./solvers/ddiff.ts";
import { ddnm } from "./solvers/ddnm.ts";
import { ddrm } from "./solvers/ddrm.ts";
import { dds } from "./solvers/dds.ts";
import { diffPnpAdmm, diffPnpHqs } from "./solvers/diff_pnp.ts";
import { dps } from "./solvers/dps.ts";
import { pigdm } from "./solvers/pigdm.ts";
import type { Solver } from "./solvers/solver.ts";

export interface MethodOptions {
  steps?: number | undefined;
  /** Of dps: its step down the misfit. */
  zeta?: number | undefined;
}
type Method = (sigmaNoise: number, options: MethodOptions) => Solver;

/** From 10, far above which nothing can be seen, to a third of the noise, below which nothing is left to find. */
const levelsFor =
  (noise: number): Levels =>
  (steps, { sigmaMin, sigmaMax }) =>
    karras(steps, { sigmaMin: Math.max(sigmaMin, Math.min(noise / 3, sigmaMax)), sigmaMax: Math.min(10, sigmaMax) });

/** The fewer data steps, the longer; they shorten, and fresh noise ends, where the level nears the measurement's. */
const ddiffSteps = (noise: number, steps: number) => ({
  steps,
  levels: levelsFor(noise),
  gamma: 480 / steps,
  late: 0.3,
  relaxBelow: 3 * noise,
});
const ddiffFor = (noise: number, steps: number) => ({ ...ddiffSteps(noise, steps), quietBelow: 2 * noise });

const some = (options: MethodOptions, steps: number): number => options.steps ?? steps;

export const METHODS = {
  dps: (noise, o) => dps({ steps: some(o, 40), levels: levelsFor(noise), zeta: o.zeta ?? 1000 / some(o, 40) }),
  pigdm: (noise, o) => pigdm({ steps: some(o, 20), levels: levelsFor(noise) }),
  ddnm: (noise, o) => ddnm({ steps: some(o, 20), levels: levelsFor(noise), eta: 1 }),
  ddrm: (noise, o) => ddrm({ steps: some(o, 20), levels: levelsFor(noise) }),
  dds: (noise, o) => dds({ steps: some(o, 20), levels: levelsFor(noise) }),
  // a chain of short steps, in a likelihood sharper than the noise, as published: its pictures are less noisy
  daps: (noise, o) => {
    const tau = Math.max(0.01, noise / 5);
    const [rate, sigmaMin] = [tau ** 2 / 2, Math.max(0.01, noise / 2)];
    return daps({ steps: some(o, 12), calls: 3, iterations: 20, tau, rate, sigmaMax: 10, sigmaMin });
  },
  ddiff: (noise, o) => ddiff(ddiffFor(noise, some(o, 40))),
  // no dual variable keeps what a step has won, so steps are three times as long
  "ddiff-hqs": (noise, o) => ddiffHqs({ ...ddiffFor(noise, some(o, 40)), gamma: 1440 / some(o, 40) }),
  "diff-pnp-admm": (noise, o) => diffPnpAdmm(ddiffSteps(noise, some(o, 40))),
  "diff-pnp-hqs": (noise, o) => diffPnpHqs(ddiffSteps(noise, some(o, 40))),
} as const satisfies Record<string, Method>;

export type MethodName = keyof typeof METHODS;
export const METHOD_NAMES = Object.keys(METHODS) as MethodName[];
