/**
 * The posterior solvers that people name, with settings for tens of steps and a prior of any size. What papers print, for
 * a thousand steps at 256 x 256 and noise .05, stands in each solver's presets.
 */
import { karras, type Levels } from "./diffusion/schedules.ts";
import { cm4ir, cm4irPresets } from "./solvers/cm4ir.ts";
import { consistency } from "./solvers/consistency.ts";
import { daps } from "./solvers/daps.ts";
import { ddiff, ddiffHqs } from "./solvers/ddiff.ts";
import { ddim } from "./solvers/ddim.ts";
import { ddnm } from "./solvers/ddnm.ts";
import { ddpm } from "./solvers/ddpm.ts";
import { ddrm } from "./solvers/ddrm.ts";
import { dds } from "./solvers/dds.ts";
import { diffPnpAdmm, diffPnpHqs } from "./solvers/diff_pnp.ts";
import { dpir } from "./solvers/dpir.ts";
import { dps } from "./solvers/dps.ts";
import { edm } from "./solvers/edm.ts";
import { latino } from "./solvers/latino.ts";
import { pc } from "./solvers/pc.ts";
import { pigdm } from "./solvers/pigdm.ts";
import { pnpAdmm } from "./solvers/pnp_admm.ts";
import { pnpEdm } from "./solvers/pnp_edm.ts";
import { pnpGd } from "./solvers/pnp_gd.ts";
import { redDiff } from "./solvers/red_diff.ts";
import type { Sampling, Solver } from "./solvers/solver.ts";

export interface MethodOptions {
  steps?: number | undefined;
  /** Of dps: its step down the misfit. */
  zeta?: number | undefined;
  /** Of pnp-edm: with more than one, its last iterates are wanted, not their mean. */
  samples?: number | undefined;
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
  gamma: 960 / steps,
  late: 0.3,
  relaxBelow: 3 * noise,
});
// all noise is fresh, as published for super-resolution, masks and phase: .7 to 2 dB with a small prior, alike on boxes
const ddiffFor = (noise: number, steps: number) => ({ ...ddiffSteps(noise, steps), zeta: 1, quietBelow: 2 * noise });

const some = (options: MethodOptions, steps: number): number => options.steps ?? steps;

/** From 999 down to 124, as LATINO's eight are. */
const evenTimes = (steps: number): number[] =>
  Array.from({ length: steps }, (_, i) => Math.round(999 - (875 * i) / Math.max(1, steps - 1)));

export const METHODS = {
  dps: (noise, o) => dps({ steps: some(o, 40), levels: levelsFor(noise), zeta: o.zeta ?? 1000 / some(o, 40) }),
  pigdm: (noise, o) => pigdm({ steps: some(o, 20), levels: levelsFor(noise) }),
  ddnm: (noise, o) => ddnm({ steps: some(o, 20), levels: levelsFor(noise), eta: 1 }),
  ddrm: (noise, o) => ddrm({ steps: some(o, 20), levels: levelsFor(noise) }),
  dds: (noise, o) => dds({ steps: some(o, 20), levels: levelsFor(noise), gamma: 4, bySlope: true }),
  // a chain of short steps, in a likelihood sharper than the noise, as published: its pictures are less noisy
  daps: (noise, o) => {
    const tau = Math.max(0.01, noise / 5);
    const [rate, sigmaMin] = [tau ** 2 / 2, Math.max(0.01, noise / 2)];
    return daps({ steps: some(o, 12), calls: 3, iterations: 20, tau, rate, bySlope: true, sigmaMax: 10, sigmaMin });
  },
  ddiff: (noise, o) => ddiff(ddiffFor(noise, some(o, 40))),
  "ddiff-hqs": (noise, o) => ddiffHqs(ddiffFor(noise, some(o, 40))),
  "diff-pnp-admm": (noise, o) => diffPnpAdmm(ddiffSteps(noise, some(o, 40))),
  "diff-pnp-hqs": (noise, o) => diffPnpHqs(ddiffSteps(noise, some(o, 40))),
  "pnp-gd": (_, o) => pnpGd({ steps: some(o, 40), lr: 2 / some(o, 40) }),
  "pnp-admm": (noise, o) => pnpAdmm({ steps: some(o, 30), sigmaEnd: noise }),
  dpir: (_, o) => dpir({ steps: some(o, 8) }),
  "red-diff": (_, o) => redDiff({ steps: some(o, 60), lr: 0.05 }),
  // most draws go down to the last rho, the others are averaged; each walks the part of the grid below its rho
  "pnp-edm": (noise, o) => {
    const steps = some(o, 19); // 100 calls, or fewer
    const [rho, rhoMin, burnIn] = [10, Math.max(0.05, noise), Math.floor(0.7 * steps)];
    const estimate = (o.samples ?? 1) > 1 ? "sample" : "mean";
    const decay = (rhoMin / rho) ** (1 / Math.max(1, burnIn));
    return pnpEdm({ steps, rho, decay, rhoMin, burnIn, gridSteps: 12, estimate });
  },
  cm4ir: (_, o) => cm4ir({ steps: some(o, 4), ...cm4irPresets.bedroomDeblur25 }),
  latino: (_, o) => latino({ times: evenTimes(some(o, 8)), lastData: true }),
} as const satisfies Record<string, Method>;

export type MethodName = keyof typeof METHODS;
export const METHOD_NAMES = Object.keys(METHODS) as MethodName[];

/** The samplers of the prior that people name. */
export const SAMPLERS = {
  edm: (steps = 18) => edm({ steps }),
  ddim: (steps = 50) => ddim({ steps, clip: true }),
  ddpm: (steps = 250) => ddpm({ steps, clip: true }),
  pc: (steps = 250) => pc({ steps }),
  // of a prior that `proxel train consistency` made; of others, their blurred guesses
  consistency: (steps = 2) => consistency({ steps }),
} as const satisfies Record<string, (steps?: number) => Solver<Sampling>>;
