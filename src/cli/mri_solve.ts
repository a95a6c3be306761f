import { complexAbs } from "../../kernels/complex.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { asComplex, reshape } from "../../kernels/reshape.ts";
import { onParts, within } from "../diffusion/on_parts.ts";
import { leastSquares } from "../linalg/least_squares.ts";
import type { LinearOperator } from "../linalg/operator.ts";
import { rss } from "../physics/mri.ts";
import { dds } from "../solvers/dds.ts";
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
export const MRI_SOLVERS = [...LINEAR, ...PRIORS];
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
  iterations: number | undefined;
  lambda: number | undefined;
  steps: number;
}

/** [1, H, W, 2], or for rss [1, H, W, 1]. */
export async function solved(name: MriSolver, job: MriJob): Promise<{ x: Tensor; nfe: number }> {
  const { A, y, sigma, seed, signal, iterations = 12, lambda = 0 } = job;
  if (name === "rss") return { x: rss(y), nfe: 0 };
  if (name === "zero-filled") return { x: A.adjoint(y), nfe: 0 };
  if (name === "cg-sense") {
    const { x, residual } = leastSquares(A, y, { iterations, lambda, tol: 1e-6 });
    residual.dispose();
    return { x, nfe: 0 };
  }
  // the prior knows pictures in [-1, 1]: the brightest hundredth of the least-squares solution is made 1
  const rough = scope(() => {
    const z = leastSquares(A, y, { iterations: 8 }).x;
    return complexAbs(asComplex(reshape(z, [...z.shape.slice(0, -1), 1, 2])));
  });
  const unit = quantile(await rough.read(), 0.99) || 1;
  rough.dispose();
  const scaled = lincomb(1 / unit, y);
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
