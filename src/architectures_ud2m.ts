/** UD2M's files beside the prior: what its adapters say of sampling, and RAM, which may give the start. */
import { type RamArguments, ramOf } from "./architectures_others.ts";
import type { Reconstructor } from "./diffusion/denoiser.ts";
import { unitRange } from "./diffusion/unit_range.ts";
import { WeightsError } from "./errors.ts";
import { examine, loadTensors, settled } from "./identify.ts";
import type { Params } from "./nets/net.ts";
import { RAM } from "./recognise_others.ts";
import type { Ud2mOptions } from "./solvers/ud2m.ts";
import { dispose } from "./tensor/scope.ts";
import { ud2mSampling } from "./train/ud2m_file.ts";
import { openWeights } from "./weights/open.ts";
import type { Readable } from "./weights/source.ts";

export interface LoadedRam extends Disposable {
  readonly params: Params;
  model(params: Params): Reconstructor;
}

/** RAM from its file, for pictures in [-1, 1]. */
export async function loadRam(source: Readable): Promise<LoadedRam> {
  const weights = await openWeights(source);
  try {
    const found = await examine(weights);
    if (found.architecture !== RAM)
      throw new WeightsError(`${weights.name}: expected RAM, the file holds ${found.title}`);
    settled(found, weights.name);
    const net = ramOf(found.config as unknown as RamArguments);
    const params = await loadTensors(weights, found, {});
    return {
      params,
      model: (p) => unitRange((y, A, noise) => net.apply(p, y, A, noise)),
      [Symbol.dispose]: () => dispose(params),
    };
  } finally {
    await weights.close();
  }
}

/** How to sample with these adapters, if UD2M's training wrote the file: for the solver `ud2m`. */
export async function ud2mSolver(source: Readable): Promise<Ud2mOptions | undefined> {
  const weights = await openWeights(source);
  await weights.close();
  return weights.metadata.method === "ud2m" ? ud2mSampling(weights.metadata, weights.name) : undefined;
}
