/** One solver on one measurement: what came out, and its figures. */
import { lincomb } from "../../kernels/lincomb.ts";
import type { Denoiser, Reconstructor } from "../diffusion/denoiser.ts";
import { GpuError, ProxelError } from "../errors.ts";
import { type EvalTask, type Measured, turned } from "../eval_tasks.ts";
import type { LoadedLpips } from "../eval_weights.ts";
import { gpu } from "../gpu/open.ts";
import type { Picture } from "../io/picture.ts";
import type { Operator } from "../linalg/operator.ts";
import { psnr } from "../metrics/psnr.ts";
import { residual } from "../metrics/residual.ts";
import { ssim } from "../metrics/ssim.ts";
import { type Problem, restore, run, type Solver } from "../solvers/solver.ts";
import { dispose, scope } from "../tensor/scope.ts";
import { tensor } from "../tensor/tensor.ts";
import type { Row } from "./eval_rows.ts";

export type AnySolver = Solver<Problem<Operator>>;

export interface RunOptions {
  denoiser: Denoiser;
  /** For a solver that asks a network which sees the measurement. */
  model?: Reconstructor | undefined;
  lpips?: LoadedLpips | undefined;
  signal: AbortSignal;
  /** Bytes on the adapter that are not the solver's. */
  others: number;
  /** Part of the run that is done, 0 to 1. */
  onStep(part: number): void;
}

/** Compiles what a solver needs: its first step, thrown away. What it refuses `evaluate` will hear again. */
export async function warmUp(
  solver: AnySolver,
  { A, y, sigmaNoise, seed }: Measured,
  { denoiser, model, signal }: Pick<RunOptions, "denoiser" | "model" | "signal">,
): Promise<void> {
  try {
    for await (const step of run(solver, { A, y, sigmaNoise, denoiser, ...(model && { model }) }, { seed, signal })) {
      if (step.i === step.steps - 1) dispose(step);
      break;
    }
  } catch (error) {
    if (!isRefusal(error)) throw error;
  }
  await gpu().idle();
}

/** A solver that does not go with a task, or diverges: a result of the comparison, not the end of it. */
const isRefusal = (error: unknown): error is Error =>
  (error instanceof ProxelError || error instanceof RangeError) &&
  !(error instanceof GpuError) &&
  !error.message.startsWith("internal:");

export type Outcome = Omit<Row, "picture" | "task" | "solver">;
const digits = (v: number, n: number): number | null => (Number.isFinite(v) ? Number(v.toFixed(n)) : null);

/** A solver that stops, or refuses the task, gives a row with its words in place of figures. */
export async function evaluate(
  solver: AnySolver,
  measured: Measured,
  task: EvalTask,
  options: RunOptions,
): Promise<{ outcome: Outcome; picture?: Picture }> {
  const { A, y, sigmaNoise, truth, known, seed } = measured;
  const { denoiser, model, lpips, signal, others, onStep } = options;
  const { width, height } = truth;
  const { pool } = gpu();
  pool.peakBytes = pool.liveBytes;
  let [nfe, nbe] = [0, 0];
  const began = performance.now();
  const common = () => ({
    width,
    height,
    steps: solver.steps,
    seconds: Number(((performance.now() - began) / 1000).toFixed(3)),
    nfe,
    nbe,
    peakBytes: pool.peakBytes - others,
  });
  try {
    const x = await restore({ A, y, sigmaNoise, denoiser, ...(model && { model }) }, solver, {
      seed,
      signal,
      onStep(step) {
        [nfe, nbe] = [step.nfe, step.nbe];
        onStep((step.i + 1) / step.steps);
      },
    });
    await gpu().idle();
    const cost = common();
    using r = scope(() => lincomb(1, y, -1, A.apply(x)));
    const fit = residual(await r.read(), sigmaNoise, { count: known });
    const found: Picture = { width, height, channels: 3, bits: 8, data: held(await x.read()) };
    x.dispose();
    const truthData = held(truth.data);
    const quality = (p: Picture) => psnr(p.data, truthData);
    // what the measurement does not tell is not held against the solver
    const other = task.turns ? turned(found) : found;
    const picture = quality(other) > quality(found) ? other : found;
    const size = { width, height, channels: 3 };
    return {
      picture,
      outcome: {
        ...cost,
        psnr: digits(quality(picture), 4),
        ssim: Math.min(width, height) >= 11 ? digits(ssim(picture.data, truthData, size), 5) : null,
        lpips: lpips ? await distance(lpips, picture, truthData) : null,
        residual: Number(fit.meanSquare.toPrecision(6)),
        chi2: Number.isFinite(fit.chi2) ? Number(fit.chi2.toPrecision(6)) : null,
      },
    };
  } catch (error) {
    if (!isRefusal(error)) throw error;
    const none = { psnr: null, ssim: null, lpips: null, residual: 0, chi2: null };
    return { outcome: { ...common(), ...none, error: error.message } };
  }
}

const held = (data: Float32Array): Float32Array => data.map((v) => Math.max(-1, Math.min(1, v)));

async function distance(lpips: LoadedLpips, { width, height, data }: Picture, truth: Float32Array): Promise<number> {
  using d = scope(() => lpips.apply(tensor([1, height, width, 3], data), tensor([1, height, width, 3], truth)));
  return Number(((await d.read())[0] as number).toFixed(5));
}
