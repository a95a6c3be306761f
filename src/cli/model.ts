import { loadGuided } from "../architectures_guided.ts";
import { loadReconstructor } from "../architectures_posterior.ts";
import { loadRam } from "../architectures_ud2m.ts";
import type { Reconstructor } from "../diffusion/denoiser.ts";
import { cedm, diffUnfolding } from "../solvers/diff_unfolding.ts";
import { ram } from "../solvers/ram.ts";
import type { Solver } from "../solvers/solver.ts";
import { openWeights } from "../weights/open.ts";

export const MODELS = ["diff-unfolding", "cedm", "i2sb", "cosign", "ram"] as const;

/** A network that sees the measurement, and the solver that calls it. */
export interface OpenedModel extends Disposable {
  readonly name: (typeof MODELS)[number];
  readonly model: Reconstructor;
  solver(options: { steps?: number | undefined }): Solver;
}

const OURS = { diff_unfolding: "diff-unfolding", cedm: "cedm", i2sb: "i2sb", cosign: "cosign" } as const;

/** What a file for `--model` holds: what `proxel train diff-unfolding`, `cedm`, `i2sb` or `cosign` wrote, else it should be RAM. */
export async function modelName(path: string): Promise<OpenedModel["name"]> {
  const file = await openWeights(path);
  await file.close();
  return OURS[file.metadata.architecture as keyof typeof OURS] ?? "ram";
}

export async function openModel(path: string): Promise<OpenedModel> {
  const name = await modelName(path);
  if (name === "i2sb" || name === "cosign") return loadGuided(path);
  if (name !== "ram") {
    const loaded = await loadReconstructor(path);
    const make = name === "cedm" ? cedm : diffUnfolding;
    return {
      ...{ name, model: loaded.model },
      // as the small ones are trained and compared: from a level far above the picture
      solver: ({ steps }) => make({ sigmaMax: 10, sigmaMin: 0.02, ...(steps !== undefined && { steps }) }) as Solver,
      [Symbol.dispose]: () => loaded[Symbol.dispose](),
    };
  }
  const loaded = await loadRam(path);
  return {
    ...{ name, model: loaded.model(loaded.params) },
    solver: () => ram() as Solver,
    [Symbol.dispose]: () => loaded[Symbol.dispose](),
  };
}
