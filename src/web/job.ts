// One restoration: from a picture and what was chosen, through the solver's steps, to a picture and its figures.
import type { Denoiser } from "../diffusion/denoiser.ts";
import type { Picture } from "../io/picture.ts";
import { psnr8 } from "../metrics/psnr.ts";
import { run } from "../solvers/solver.ts";
import { defaultSolver, measured, simulate, solverFor, type Task, type TaskOptions } from "../tasks.ts";
import { dispose } from "../tensor/scope.ts";

export interface Settings extends TaskOptions {
  task: Task;
  /** Degrade the picture first, so that the truth is known. */
  simulated: boolean;
  /** In [0, 1] units; the task's own, or estimated, when left out. */
  noise?: number;
  steps: number;
  seed: number;
}

export interface Begun {
  /** The measurement as a viewer would show it. */
  shown: Picture;
  truth?: Picture;
  /** In [0, 1] units. */
  noise: number;
  estimated: boolean;
  psnr?: number;
}
export interface Reached {
  /** Steps done. */
  done: number;
  steps: number;
  /** The current guess. */
  picture: Picture;
  psnr?: number;
}

/** Yields the measurement, then the guess after every step; the last is the restored picture. */
export async function* restorePicture(
  picture: Picture,
  { task, simulated, steps, seed, ...options }: Settings,
  denoiser: Denoiser,
  signal: AbortSignal,
): AsyncGenerator<Begun | Reached, void, undefined> {
  const prepared = simulated
    ? await simulate(picture, task, { ...options, seed })
    : await measured(picture, task, options);
  const { A, y, sigmaNoise, noise, estimated, shown, truth } = prepared;
  const against = (p: Picture) => (truth ? { psnr: psnr8(p.data, truth.data) } : {});
  try {
    yield { shown, ...(truth ? { truth } : {}), noise, estimated, ...against(shown) };
    const solver = solverFor(defaultSolver(task), task, sigmaNoise, { steps });
    for await (const step of run(solver, { A, y, sigmaNoise, denoiser }, { seed, signal })) {
      const last = step.i === step.steps - 1;
      const guess = await prepared.finish(last ? step.x : step.x0);
      // the last state is the caller's
      if (last) dispose(step);
      yield { done: step.i + 1, steps: step.steps, picture: guess, ...against(guess) };
    }
  } finally {
    dispose([y, A.holds]);
  }
}
