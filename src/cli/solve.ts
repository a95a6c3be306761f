import type { LoadedDenoiser } from "../catalogue.ts";
import { gpu } from "../gpu/open.ts";
import type { Picture } from "../io/picture.ts";
import { psnr8 } from "../metrics/psnr.ts";
import { ssim } from "../metrics/ssim.ts";
import { restore, run, type Solver } from "../solvers/solver.ts";
import { type Prepared, residual, type Task } from "../tasks.ts";
import { dispose } from "../tensor/scope.ts";
import { progress } from "./progress.ts";

export interface Outcome {
  picture: Picture;
  /** Seconds of solving, without opening, loading and compiling. */
  seconds: number;
  setupSeconds: number;
  nfe: number;
  psnrMeasurement: number | null;
  psnr: number | null;
  ssim: number | null;
  residual: number;
}

const round = (x: number, digits: number): number => Number(x.toFixed(digits));

/** Restores one measurement, with a progress bar; the first step is run once before the clock starts, to compile. */
export async function solve(
  prepared: Prepared,
  solver: Solver,
  denoiser: LoadedDenoiser,
  { seed, signal, label, task }: { seed: number; signal: AbortSignal; label: string; task: Task },
): Promise<Outcome> {
  const { A, y, sigmaNoise, truth, shown } = prepared;
  const problem = { A, y, sigmaNoise, denoiser };
  const warm = performance.now();
  for await (const step of run(solver, problem, { seed, signal })) {
    if (step.i === step.steps - 1) dispose(step);
    break;
  }
  await gpu().idle();
  const began = performance.now();
  const bar = progress(label, solver.steps);
  let nfe = 0;
  try {
    const x = await restore(problem, solver, {
      seed,
      signal,
      onStep(step) {
        nfe = step.nfe;
        bar.update(step.i + 1);
      },
    });
    await gpu().idle();
    const seconds = (performance.now() - began) / 1000;
    const picture = await prepared.finish(x);
    const known = task === "inpaint" ? observed(shown) : y.size;
    const fit = await residual(prepared, x, known);
    x.dispose();
    const { width, height, channels } = picture;
    const against = (p: Picture) => (truth ? round(psnr8(p.data, truth.data), 3) : null);
    return {
      picture,
      seconds: round(seconds, 3),
      setupSeconds: round((began - warm) / 1000, 3),
      nfe,
      psnrMeasurement: against(shown),
      psnr: against(picture),
      ssim:
        truth && Math.min(width, height) >= 11
          ? round(ssim(picture.data, truth.data, { width, height, channels }), 4)
          : null,
      residual: round(fit, 5),
    };
  } finally {
    bar.stop();
  }
}

/** Numbers of a masked measurement that are not exactly the grey of the unknown, in the tensor's three channels. */
function observed({ data, channels }: Picture): number {
  let count = 0;
  for (const v of data) if (v !== 0) count++;
  return Math.max(1, (count * 3) / channels);
}
