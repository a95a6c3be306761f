import { affine } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { mean } from "../../kernels/reduce.ts";
import type { LoadedDenoiser } from "../catalogue.ts";
import type { Denoiser, Reconstructor } from "../diffusion/denoiser.ts";
import { gpu } from "../gpu/open.ts";
import { type Picture, toGrey } from "../io/picture.ts";
import { psnr8 } from "../metrics/psnr.ts";
import { ssim } from "../metrics/ssim.ts";
import type { Job } from "../pieces.ts";
import { posterior } from "../solvers/posterior.ts";
import { restore, run, type Solver } from "../solvers/solver.ts";
import { type Prepared, residual } from "../tasks.ts";
import { dispose, scope } from "../tensor/scope.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import { progress } from "./progress.ts";

export interface Outcome {
  /** With several samples, their mean. */
  picture: Picture;
  /** Their standard deviation: white where it is a quarter of the range. */
  deviation?: Picture;
  /** Its mean over the picture, in 0..1 units. */
  std?: number;
  /** Seconds of solving, without opening, loading and compiling. */
  seconds: number;
  setupSeconds: number;
  /** Network calls for each pixel, and how often a gradient was taken through one: 0 for all but guided solvers. */
  nfe: number;
  nbe: number;
  pieces: number;
  psnrMeasurement: number | null;
  psnr: number | null;
  /** Of Y alone, in 0..255; papers on super-resolution, where Y is 16..235, print 1.3 dB more. */
  psnrLuma: number | null;
  ssim: number | null;
  residual: number;
}

interface Run {
  seed: number;
  signal: AbortSignal;
  label: string;
  /** So many draws at once. */
  samples?: number | undefined;
  /** For solvers that ask a network which sees the measurement. */
  model?: Reconstructor | undefined;
}

const round = (x: number, digits: number): number => Number(x.toFixed(digits));

/** Restores one picture, in as many pieces as its job has, under one progress bar; compiles before the clock starts. */
export async function solve(
  job: Job,
  solverOf: (sigmaNoise: number) => Solver,
  denoiser: LoadedDenoiser,
  { seed, signal, label, samples = 1, model }: Run,
): Promise<Outcome> {
  const { truth, shown, count } = job;
  if (samples > 1 && count > 1)
    throw new RangeError(
      `--samples: ${label} is restored in ${count} pieces; take a smaller picture, or its centre by --size`,
    );
  let spread: Pick<Outcome, "deviation" | "std"> = {};
  if (count > 1) console.error(`${label}: ${shown.width}x${shown.height} in ${count} pieces of ${job.side.join("x")}`);
  const setup = performance.now();
  let setupSeconds = 0;
  let seconds = 0;
  let [nfe, nbe] = [0, 0];
  let misfit = 0;
  let known = 0;
  let bar: ReturnType<typeof progress> | undefined;
  try {
    for (let i = 0; i < count; i++) {
      signal.throwIfAborted();
      const prepared = await job.piece(i);
      try {
        const { A, y, sigmaNoise } = prepared;
        const solver = solverOf(sigmaNoise);
        if (i === 0) {
          await warmUp(prepared, solver, denoiser, { seed, signal, model });
          setupSeconds = (performance.now() - setup) / 1000;
        }
        bar ??= progress(label, solver.steps * count);
        const began = performance.now();
        const drawn = await restore({ A, y, sigmaNoise, denoiser, ...(model && { model }) }, solver, {
          seed,
          signal,
          ...(samples > 1 && { samples }),
          onStep(step) {
            [nfe, nbe] = [step.nfe, step.nbe];
            bar?.update(i * step.steps + step.i + 1);
          },
        });
        await gpu().idle();
        seconds += (performance.now() - began) / 1000;
        signal.throwIfAborted();
        const { mean: x, ...rest } = samples > 1 ? summary(drawn) : { mean: drawn };
        if ("shown" in rest) {
          const [average] = await rest.average.read();
          spread = { deviation: await prepared.finish(rest.shown), std: round((average as number) / 2, 5) };
          dispose([drawn, rest]);
        }
        job.put(i, await prepared.finish(x));
        misfit += (await residual(prepared, x)) ** 2 * prepared.known;
        known += prepared.known;
        x.dispose();
      } finally {
        dispose([prepared.y, prepared.A.holds]);
      }
    }
  } finally {
    bar?.stop();
  }
  const picture = job.finish();
  const { width, height, channels } = picture;
  const against = (p: Picture) => (truth ? round(psnr8(p.data, truth.data), 3) : null);
  return {
    picture,
    ...spread,
    seconds: round(seconds, 3),
    setupSeconds: round(setupSeconds, 3),
    nfe,
    nbe,
    pieces: count,
    psnrMeasurement: against(shown),
    psnr: against(picture),
    psnrLuma: truth ? round(psnr8(toGrey(picture).data, toGrey(truth).data), 3) : null,
    ssim:
      truth && Math.min(width, height) >= 11
        ? round(ssim(picture.data, truth.data, { width, height, channels }), 4)
        : null,
    residual: round(Math.sqrt(misfit / known), 5),
  };
}

/** Of several draws: the mean, the deviation as a picture in [-1, 1], and its average. */
const summary = (drawn: Tensor) =>
  scope(() => {
    const { mean: centre, std } = posterior(drawn);
    return { mean: centre, shown: affine(std, 4, -1), average: mean(std) };
  });

/**
 * Compiles what a run will need, cheaply: one step of the solver at full size with a network that does nothing, since
 * shaders depend on sizes there, and the network on four of its tiles.
 */
async function warmUp(
  { A, y, sigmaNoise }: Prepared,
  solver: Solver,
  denoiser: LoadedDenoiser,
  { seed, signal, model }: Pick<Run, "seed" | "signal" | "model">,
): Promise<void> {
  const { sigmaMin, sigmaMax, channels, multipleOf } = denoiser;
  const nothing: Denoiser = Object.assign((x: Parameters<Denoiser>[0]) => lincomb(1, x), {
    sigmaMin,
    sigmaMax,
    channels,
    multipleOf,
  });
  for await (const step of run(
    solver,
    { A, y, sigmaNoise, denoiser: nothing, ...(model && { model }) },
    { seed, signal },
  )) {
    if (step.i === step.steps - 1) dispose(step);
    break;
  }
  const [H, W] = A.domain as [number, number];
  const [h, w] = [Math.min(H, 112), Math.min(W, 112)];
  const out = scope(() => denoiser(tensor([1, h, w, 3], new Float32Array(3 * h * w)), Math.max(sigmaNoise, sigmaMin)));
  await gpu().idle();
  out.dispose();
  signal.throwIfAborted();
}
