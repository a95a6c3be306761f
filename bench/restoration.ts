import { fileURLToPath } from "node:url";
import { loadDenoiser } from "../src/catalogue.ts";
import type { Gpu } from "../src/gpu/open.ts";
import { scene } from "../src/io/scene.ts";
import { psnr8 } from "../src/metrics/psnr.ts";
import { restore } from "../src/solvers/solver.ts";
import { defaultSolver, simulate, solverFor, TASKS, type Task } from "../src/tasks.ts";
import { dispose } from "../src/tensor/scope.ts";

const SIDE = 64;
const STEPS = 20;
const RUNS = 3;
export const RESTORATIONS = TASKS.map((task) => ({ name: `restoration.${task}.${SIDE}^2`, task }));

export interface Restored {
  name: string;
  kind: "restoration";
  solver: string;
  steps: number;
  /** Median of the runs, without opening, loading and compiling. */
  seconds: number;
  /** Calls of the network for one picture. */
  nfe: number;
  peakBytes: number;
  psnrMeasurement: number;
  psnr: number;
}

/** A whole restoration by the shipped prior, of the scene that the demo restores: speed never without quality. */
export async function restoration(gpu: Gpu, name: string, task: Task): Promise<Restored> {
  using denoiser = await loadDenoiser(fileURLToPath(new URL("../models/prior.safetensors", import.meta.url)));
  const truth = scene({ width: SIDE, height: SIDE });
  const { A, y, sigmaNoise, shown, finish } = await simulate(truth, task);
  const solver = solverFor(defaultSolver(task), task, sigmaNoise, { steps: STEPS });
  const times: number[] = [];
  let [nfe, psnr] = [0, 0];
  try {
    for (let i = 0; i <= RUNS; i++) {
      await gpu.idle();
      gpu.pool.peakBytes = gpu.pool.liveBytes;
      const start = performance.now();
      const onStep = (step: { nfe: number }) => {
        nfe = step.nfe;
      };
      const x = await restore({ A, y, sigmaNoise, denoiser }, solver, { seed: 0, onStep });
      await gpu.idle();
      if (i)
        times.push((performance.now() - start) / 1000); // the first compiles
      else psnr = psnr8((await finish(x)).data, truth.data);
      x.dispose();
    }
  } finally {
    dispose([y, A.holds]);
  }
  const { peakBytes } = gpu.pool;
  const seconds = times.sort((a, b) => a - b)[RUNS >> 1] as number;
  const psnrMeasurement = psnr8(shown.data, truth.data);
  return {
    name,
    kind: "restoration",
    solver: solver.name,
    steps: solver.steps,
    seconds,
    nfe,
    peakBytes,
    psnrMeasurement,
    psnr,
  };
}

export const restoredLine = ({ name, solver, seconds, nfe, peakBytes, psnrMeasurement, psnr }: Restored): string =>
  `${name.padEnd(46)} ${seconds.toFixed(2)} s, ${nfe} calls (${solver}), peak ${(peakBytes / 2 ** 20).toFixed(1)} MiB, ${psnrMeasurement.toFixed(2)} -> ${psnr.toFixed(2)} dB`;
