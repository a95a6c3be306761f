/** Networks that judge pictures or spoil them, from the files that their authors and torchvision publish. */
import { WeightsError } from "./errors.ts";
import { compare, examine, loadTensors, settled, shapesIn, whole } from "./identify.ts";
import { type Lpips, type LpipsNet, lpips, lpipsName } from "./metrics/lpips.ts";
import { kernelWizard } from "./nets/kernel_wizard.ts";
import { LPIPS, TORCHVISION } from "./recognise_others.ts";
import { dispose, scope } from "./tensor/scope.ts";
import type { Tensor } from "./tensor/tensor.ts";
import { openWeights } from "./weights/open.ts";
import type { Readable } from "./weights/source.ts";

export interface LoadedLpips extends Disposable {
  readonly net: LpipsNet;
  /** Distances [N] of pictures [N, H, W, 3] in [-1, 1]. */
  apply(x: Tensor, truth: Tensor): Tensor;
}

const NET: Readonly<Record<string, LpipsNet>> = {
  [`${TORCHVISION}.vgg16`]: "vgg",
  [`${TORCHVISION}.alexnet`]: "alex",
  [`${TORCHVISION}.squeezenet1_1`]: "squeeze",
};

/** LPIPS from one file that holds all of it, or from two: a trunk of torchvision's, and the heads for it. */
export async function loadLpips(sources: readonly Readable[]): Promise<LoadedLpips> {
  const params: Record<string, Tensor> = {};
  const nets: LpipsNet[] = [];
  try {
    for (const source of sources) nets.push(await load(source, params));
    const net = nets[0];
    if (!net || nets.some((other) => other !== net))
      throw new WeightsError(`lpips: expected a trunk and the heads for it, got ${nets.join(" and ") || "no file"}`);
    const judge: Lpips = lpips({ net });
    const missing = Object.keys(judge.parameters).filter((name) => !params[name]);
    if (missing.length) {
      const heads = missing.every((name) => name.startsWith("lin"));
      throw new WeightsError(
        `lpips: ${heads ? `the heads for ${net}` : `the trunk of ${net}`} are missing (${missing[0]}, …); give a second file`,
      );
    }
    return {
      net,
      apply: (x, truth) => scope(() => judge.apply(params, x, truth)),
      [Symbol.dispose]: () => dispose(params),
    };
  } catch (error) {
    dispose(params);
    throw error;
  }
}

export interface LoadedBlur extends Disposable {
  /** u in [0, 1] and a latent kernel to the blurred picture: for `nonlinearBlur`. */
  apply(u: Tensor, k: Tensor): Tensor;
  /** Of a latent kernel. */
  readonly channels: number;
}

/** The neural blur of Tran et al. from its checkpoint (GOPRO_wVAE.pth), whose sizes its tensors tell. */
export async function loadBlur(source: Readable): Promise<LoadedBlur> {
  const file = await openWeights(source);
  try {
    const shapes = shapesIn(file);
    const [width, channels] = shapes["feature_extractor.0.weight"] ?? [];
    const blocks = (at: string) =>
      file.names.filter((n) => new RegExp(`^${at}\\.\\d+\\.conv1\\.weight$`).test(n)).length;
    const [front, back] = [blocks("feature_extractor"), blocks("recon_trunk")];
    const last = shapes[`recon_trunk.${back + 8}.weight`]?.[1];
    if (!width || !channels || !last)
      throw new WeightsError(
        `${file.name}: expected the blur of Tran et al. (feature_extractor.0.weight, …), got none`,
      );
    const net = kernelWizard({ channels, width, front, back, last });
    // what reads kernels from pairs of pictures is of no use here
    const own = Object.fromEntries(Object.entries(shapes).filter(([name]) => !name.startsWith("kernel_extractor.")));
    const params = await loadTensors(file, { ...whole(file, net), fit: compare(net.parameters, own) });
    return {
      apply: (u, k) => net.apply(params, u, k),
      channels: 8 * width,
      [Symbol.dispose]: () => dispose(params),
    };
  } finally {
    await file.close();
  }
}

/** Adds what this file holds, under LPIPS's names; tells for which trunk. */
async function load(source: Readable, into: Record<string, Tensor>): Promise<LpipsNet> {
  const file = await openWeights(source);
  try {
    const found = await examine(file);
    const trunk = NET[found.architecture];
    if (!trunk && found.architecture !== LPIPS)
      throw new WeightsError(`${file.name}: expected LPIPS, its heads or a trunk, got ${found.title}`);
    const net = trunk ?? (found.config.net as LpipsNet);
    if (found.config.trunk === false) {
      const parameters = Object.fromEntries(
        Object.entries(lpips({ net }).parameters).filter(([name]) => name.startsWith("lin")),
      );
      const shapes = shapesIn(file);
      const own = Object.fromEntries(Object.entries(found.names).map(([ours, theirs]) => [ours, shapes[theirs] ?? []]));
      const heads = { ...found, network: { parameters }, fit: compare(parameters, own) };
      settled(heads, file.name);
      Object.assign(into, await loadTensors(file, heads));
      return net;
    }
    const tensors = await loadTensors(file, found);
    for (const [name, t] of Object.entries(tensors)) into[trunk ? lpipsName(net, name) : name] = t;
    return net;
  } finally {
    await file.close();
  }
}
