/** Networks that see the measurement, as their files describe them: the posterior's denoiser for any linear operator. */
import type { Denoiser, Reconstructor } from "./diffusion/denoiser.ts";
import { precondition } from "./diffusion/precondition.ts";
import { ShapeError, WeightsError } from "./errors.ts";
import { loadTensors, whole } from "./identify.ts";
import { isLinear } from "./linalg/operator.ts";
import { type OfficialEdm, officialEdm } from "./nets/edm_official.ts";
import type { Net, Params } from "./nets/net.ts";
import { type Conditioned, conditioned, type PosteriorNet, type Wrap } from "./nets/posterior_net.ts";
import { spaceToDepth } from "./nets/space_to_depth.ts";
import { type Unfolding, unfolding } from "./nets/unfolding.ts";
import { dispose } from "./tensor/scope.ts";
import { openWeights } from "./weights/open.ts";
import type { Readable } from "./weights/source.ts";

/** What the metadata of such a file say. All values are text. */
export interface PosteriorMetadata {
  architecture: "diff_unfolding" | "cedm";
  /** JSON of the arguments of EDM's classes: preconditioner and network. `img_channels` are those of the blocks. */
  network: string;
  /** Pixels of a block that the network sees as channels. */
  space_to_depth?: string;
  /** Of "diff_unfolding": K, one theta or K, A divided by |A| or not; true or false. */
  iterations?: string;
  tied?: string;
  unit_norm?: string;
}
export type Posterior =
  | { readonly kind: "diff_unfolding"; readonly model: Unfolding }
  | { readonly kind: "cedm"; readonly model: Conditioned };

export interface PosteriorOptions {
  readonly network: OfficialEdm;
  readonly spaceToDepth?: number;
  readonly iterations?: number;
  readonly tied?: boolean;
  readonly unitNorm?: boolean;
}

/** The metadata of a network with these options; `posterior` makes it of them. */
export const posteriorMetadata = (
  kind: Posterior["kind"],
  { network, spaceToDepth: r = 1, iterations = 8, tied = false, unitNorm = false }: PosteriorOptions,
): Record<string, string> => ({
  architecture: kind,
  network: JSON.stringify(network),
  space_to_depth: `${r}`,
  ...(kind === "diff_unfolding" && { iterations: `${iterations}`, tied: `${tied}`, unit_norm: `${unitNorm}` }),
});

/** The network that metadata describe; it has no numbers yet. `run` may change how the networks inside are run. */
export function posterior(
  metadata: Readonly<Record<string, string>>,
  file = "weights",
  run: (net: Net) => Net = (net) => net,
): Posterior {
  const m = metadata as unknown as PosteriorMetadata;
  if (m.architecture !== "diff_unfolding" && m.architecture !== "cedm")
    throw new WeightsError(
      `${file}: expected the metadata of a network that sees the measurement (architecture diff_unfolding or cedm), got ${m.architecture ?? "no architecture"}`,
    );
  try {
    const { net, precondition: form, sigmaData } = officialEdm(JSON.parse(m.network) as OfficialEdm);
    const wrap: Wrap = (F, options) => precondition[form](F, { ...options, sigmaData });
    const onPixels = run(spaceToDepth(net, Number(m.space_to_depth ?? "1")));
    if (m.architecture === "cedm") return { kind: "cedm", model: conditioned(onPixels, wrap) };
    const [iterations, tied, unitNorm] = [Number(m.iterations ?? "8"), m.tied === "true", m.unit_norm === "true"];
    return {
      kind: "diff_unfolding",
      model: unfolding({ net: onPixels, wrap, sigmaData, iterations, tied, unitNorm }),
    };
  } catch (error) {
    throw new WeightsError(`${file}: its metadata describe no network (${(error as Error).message})`);
  }
}

/** What the solvers `diffUnfolding` and `cedm` want as a problem's `model`. */
export type PosteriorModel = Reconstructor & Pick<Denoiser, "sigmaMin" | "sigmaMax" | "round" | "multipleOf">;

/** A network with its parameters as a model: D(x_t, y; sigma), for x = x_t. */
export function asModel(net: PosteriorNet, params: Params): PosteriorModel {
  const { name, sigmaMin, sigmaMax, round, multipleOf } = net;
  const model: Reconstructor = (y, A, { x, sigma } = {}) => {
    if (!x || sigma === undefined || !isLinear(A))
      throw new ShapeError(
        `${name}: expected x_t, its noise level and a linear operator, got ${x ? "" : "no x_t, "}${sigma ?? "no level"}, ${A.name ?? "operator"}; use the solver diff-unfolding`,
      );
    return net.apply(params, x, y, A, sigma);
  };
  return Object.assign(model, { sigmaMin, sigmaMax, multipleOf, ...(round && { round }) });
}

export interface LoadedReconstructor extends Disposable {
  readonly model: PosteriorModel;
  readonly kind: Posterior["kind"];
  readonly parameters: number;
  readonly description: string;
}

/** A network that sees the measurement, from a file of `proxel train diff-unfolding` or `cedm`. `using` frees its weights. */
export async function loadReconstructor(
  source: Readable,
  { signal }: { signal?: AbortSignal } = {},
): Promise<LoadedReconstructor> {
  const weights = await openWeights(source, signal ? { signal } : {});
  try {
    const { kind, model } = posterior(weights.metadata, weights.name);
    const expected = whole(weights, model);
    const params = await loadTensors(weights, expected, { dtype: "f32", frugal: true, ...(signal && { signal }) });
    const networks = model.calls === 1 ? "" : `, ${model.calls} networks a call`;
    return {
      ...{ kind, model: asModel(model, params), parameters: expected.parameters },
      description: `${kind}, ${expected.parameters.toLocaleString("en")} parameters${networks}`,
      [Symbol.dispose]: () => dispose(params),
    };
  } finally {
    await weights.close();
  }
}
