/** Networks that make a picture of coils' k-space, as their files describe them. */
import { mul } from "../kernels/broadcast.ts";
import { rng } from "../kernels/random.ts";
import { WeightsError } from "./errors.ts";
import { identify, loadTensors, whole } from "./identify.ts";
import type { LinearOperator } from "./linalg/operator.ts";
import type { Params } from "./nets/net.ts";
import { type SsdiffreconConfig, ssdiffrecon } from "./nets/ssdiffrecon.ts";
import { type OfficialVarnet, officialVarnet } from "./nets/varnet.ts";
import { VARNET } from "./recognise_others.ts";
import { dispose, scope } from "./tensor/scope.ts";
import { type Tensor, tensor } from "./tensor/tensor.ts";
import { centreOf } from "./train/mri_centre.ts";
import { hardConsistency, ssdiffreconSample } from "./train/ssdiffrecon.ts";
import { openWeights, type Weights } from "./weights/open.ts";
import type { Readable } from "./weights/source.ts";

export type MriKind = "varnet" | "ssdiffrecon";

/** What was measured, and how. */
export interface Measured {
  readonly A: LinearOperator;
  /** k-space, c64 [1, H, W, coils]. */
  readonly y: Tensor;
  /** 1 where it was measured: [H, W]. */
  readonly mask: Float32Array;
  /** 1 where the coils see something, f32 [H, W, 1]. */
  readonly support: Tensor | undefined;
  readonly seed: number;
}

export interface LoadedMri extends Disposable {
  readonly kind: MriKind;
  readonly parameters: number;
  /** "varnet": magnitudes [1, H, W, 1] of k-space in any unit. "ssdiffrecon": [1, H, W, 2], for pictures up to about 1. */
  reconstruct(measured: Measured): Tensor;
}

/** The metadata of a file that `loadMri` reads. */
export const mriMetadata = (kind: MriKind, config: OfficialVarnet | SsdiffreconConfig): Record<string, string> => ({
  architecture: kind,
  config: JSON.stringify(config),
});

/** A network from a file of `proxel train varnet` or `ssdiffrecon`, or fastMRI's VarNet as published. `using` frees its weights. */
export async function loadMri(source: Readable): Promise<LoadedMri> {
  const weights = await openWeights(source, {});
  try {
    return weights.metadata.architecture === "ssdiffrecon" ? await ofSsdiffrecon(weights) : await ofVarnet(weights);
  } finally {
    await weights.close();
  }
}

async function ofVarnet(weights: Weights): Promise<LoadedMri> {
  const { architecture } = weights.metadata;
  const own = architecture === "varnet";
  if (architecture && !own)
    throw new WeightsError(`${weights.name}: expected a VarNet or an SSDiffRecon, got ${architecture}`);
  const found = own ? undefined : identify(weights);
  if (found && found.architecture !== VARNET)
    throw new WeightsError(`${weights.name}: expected a VarNet or an SSDiffRecon, got ${found.title}`);
  const net = officialVarnet((found?.config ?? configOf(weights)) as OfficialVarnet);
  const expected = found ?? whole(weights, net);
  const params = await loadTensors(weights, expected, { dtype: "f32" });
  return loaded("varnet", params, expected.parameters, ({ y, mask }) => {
    const [, H, W] = y.shape as [number, number, number];
    const [M, centre] = [mask, centreOf(mask, [H, W])].map((m) => tensor([H, W, 1], m)) as [Tensor, Tensor];
    return net.apply(params, y, { mask: M, centre });
  });
}

async function ofSsdiffrecon(weights: Weights): Promise<LoadedMri> {
  const net = ssdiffrecon(configOf(weights));
  const expected = whole(weights, net);
  const params = await loadTensors(weights, expected, { dtype: "f32" });
  return loaded("ssdiffrecon", params, expected.parameters, ({ A, y, support, seed }) => {
    const agree = hardConsistency(A, y);
    const inside = (x: Tensor) => (support ? mul(support, agree(x)) : agree(x));
    return ssdiffreconSample((x, t) => net.apply(params, x, t, inside), A.adjoint(y), rng(seed));
  });
}

const loaded = (kind: MriKind, params: Params, parameters: number, f: (m: Measured) => Tensor): LoadedMri => ({
  ...{ kind, parameters },
  reconstruct: (measured) => scope(() => f(measured)),
  [Symbol.dispose]: () => dispose(params),
});

function configOf({ metadata, name }: Weights): object {
  try {
    return JSON.parse(metadata.config ?? "") as object;
  } catch {
    throw new WeightsError(`${name}: its metadata describe no network (config is not JSON)`);
  }
}
