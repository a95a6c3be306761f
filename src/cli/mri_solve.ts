import { mul } from "../../kernels/broadcast.ts";
import { complexAbs } from "../../kernels/complex.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { asComplex, reshape } from "../../kernels/reshape.ts";
import { type LoadedMri, loadMri } from "../architectures_mri.ts";
import { loadReconstructor } from "../architectures_posterior.ts";
import { onParts, within } from "../diffusion/on_parts.ts";
import { WeightsError } from "../errors.ts";
import { leastSquares } from "../linalg/least_squares.ts";
import type { LinearOperator } from "../linalg/operator.ts";
import { rss } from "../physics/mri.ts";
import { dds } from "../solvers/dds.ts";
import { diffUnfolding } from "../solvers/diff_unfolding.ts";
import { diffpir } from "../solvers/diffpir.ts";
import { dpir } from "../solvers/dpir.ts";
import { pnpAdmm } from "../solvers/pnp_admm.ts";
import { restore, type Solver } from "../solvers/solver.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { quantile } from "./kspace.ts";
import { openPrior } from "./prior.ts";
import { progress } from "./progress.ts";

const LINEAR = ["zero-filled", "rss", "cg-sense"] as const;
export const PRIORS = ["dds", "diffpir", "dpir", "pnp-admm"] as const;
export const TRAINED = ["varnet", "ssdiffrecon", "diff-unfolding"] as const;
export const MRI_SOLVERS = [...LINEAR, ...PRIORS, ...TRAINED];
export type MriSolver = (typeof MRI_SOLVERS)[number];

export interface MriJob {
  A: LinearOperator;
  y: Tensor;
  /** Of the noise of each part of a sample. */
  sigma: number;
  /** 1 where the coils see something, f32 [H, W, 1]. */
  support: Tensor | undefined;
  seed: number;
  signal: AbortSignal;
  prior: string | undefined;
  /** Of a network that sees the measurement. */
  model: string | undefined;
  /** 1 where k-space was measured, [H, W]. */
  mask: Float32Array;
  iterations: number | undefined;
  lambda: number | undefined;
  steps: number;
}

/** What gives magnitudes, whatever the phase. */
export const givesMagnitudes = (name: MriSolver): boolean => name === "rss" || name === "varnet";

/** [1, H, W, 2], or [1, H, W, 1] of what gives magnitudes. */
export async function solved(name: MriSolver, job: MriJob): Promise<{ x: Tensor; nfe: number }> {
  const { A, y, sigma, seed, signal, iterations = 12, lambda = 0 } = job;
  if (name === "rss") return { x: rss(y), nfe: 0 };
  if (name === "zero-filled") return { x: A.adjoint(y), nfe: 0 };
  if (name === "cg-sense") {
    const { x, residual } = leastSquares(A, y, { iterations, lambda, tol: 1e-6 });
    residual.dispose();
    return { x, nfe: 0 };
  }
  if (name === "varnet") {
    using network = await openMri(name, job);
    return { x: network.reconstruct(job), nfe: 1 };
  }
  // networks know pictures up to 1: the brightest hundredth of the least-squares solution is made 1
  const rough = scope(() => {
    const z = leastSquares(A, y, { iterations: 8 }).x;
    return complexAbs(asComplex(reshape(z, [...z.shape.slice(0, -1), 1, 2])));
  });
  const unit = quantile(await rough.read(), 0.99) || 1;
  rough.dispose();
  const scaled = lincomb(1 / unit, y);
  if (name === "ssdiffrecon" || name === "diff-unfolding") {
    try {
      const found = await trained(name, { ...job, y: scaled, sigma: sigma / unit });
      const x = lincomb(unit, found.x);
      found.x.dispose();
      return { ...found, x };
    } finally {
      scaled.dispose();
    }
  }
  using prior = await openPrior(job.prior);
  const parts = onParts(prior);
  const sigmaNoise = sigma / unit;
  const solver = withPrior(name, sigmaNoise, job);
  const bar = progress(name, solver.steps);
  let nfe = 0;
  try {
    const x = await restore(
      { A, y: scaled, sigmaNoise, denoiser: job.support ? within(parts, job.support) : parts },
      solver,
      {
        seed,
        signal,
        onStep(step) {
          ({ nfe } = step);
          bar.update(step.i + 1);
        },
      },
    );
    const back = lincomb(unit, x);
    x.dispose();
    return { x: back, nfe };
  } finally {
    bar.stop();
    scaled.dispose();
  }
}

const fileOf = (name: MriSolver, { model }: MriJob): string => {
  if (model) return model;
  const method = name === "diff-unfolding" ? "diff-unfolding-mri" : name;
  throw new TypeError(`--solver ${name} needs a network: --model FILE, made by \`proxel train ${method}\``);
};

async function openMri(name: "varnet" | "ssdiffrecon", job: MriJob): Promise<LoadedMri> {
  const path = fileOf(name, job);
  const network = await loadMri(path);
  if (network.kind === name) return network;
  network[Symbol.dispose]();
  throw new WeightsError(`${path}: expected a network for --solver ${name}, got one for ${network.kind}`);
}

/** Of pictures up to about 1. */
async function trained(name: "ssdiffrecon" | "diff-unfolding", job: MriJob): Promise<{ x: Tensor; nfe: number }> {
  if (name === "ssdiffrecon") {
    using network = await openMri(name, job);
    return { x: network.reconstruct(job), nfe: 5 };
  }
  using network = await loadReconstructor(fileOf(name, job));
  const { A, y, sigma, seed, signal, steps, support } = job;
  const { model } = network;
  const [H, W] = A.domain as [number, number];
  if (H % model.multipleOf || W % model.multipleOf)
    throw new RangeError(
      `--solver ${name}: the network takes sides that are multiples of ${model.multipleOf}, got ${H}x${W}`,
    );
  // the posterior's own denoiser is asked, this one is not
  const denoiser = Object.assign((x: Tensor) => x, { sigmaMin: 0, sigmaMax: Infinity, channels: 2, multipleOf: 1 });
  const solver = diffUnfolding({ steps, sigmaMin: 0.002, sigmaMax: 80 });
  const x = await restore({ A, y, sigmaNoise: sigma, denoiser, model }, solver, { seed, signal });
  if (!support) return { x, nfe: steps };
  const inside = mul(support, x);
  x.dispose();
  return { x: inside, nfe: steps };
}

function withPrior(
  name: (typeof PRIORS)[number],
  sigmaNoise: number,
  { steps, lambda = 1, iterations = 5 }: MriJob,
): Solver {
  switch (name) {
    case "dds":
      // the noise of k-space is far below the levels: the guess is moved as for a measurement without any
      return dds({ steps, iterations, gamma: Number.POSITIVE_INFINITY });
    case "diffpir":
      return diffpir({ steps, lambda, sigmaStart: 1, sigmaEnd: sigmaNoise / 3 });
    case "dpir":
      return dpir({ steps, lambda });
    default:
      return pnpAdmm({ steps, lambda });
  }
}
