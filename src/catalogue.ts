/** Where things have names as text: what a weights file says it is, and what the command line offers. */

import { readBytes } from "#platform";
import { type Face, type FaceOptions, faceOf } from "./denoisers.ts";
import { type AnySizeOptions, anySize } from "./diffusion/any_size.ts";
import type { Denoiser, Sigma } from "./diffusion/denoiser.ts";
import { planned } from "./diffusion/planned.ts";
import { precondition } from "./diffusion/precondition.ts";
import { ProxelError, WeightsError } from "./errors.ts";
import { examine, loadTensors, settled, whole } from "./identify.ts";
import { type OfficialAdm, officialAdm } from "./nets/adm_official.ts";
import type { Net, Params, Specs } from "./nets/net.ts";
import { spaceToDepth } from "./nets/space_to_depth.ts";
import { presetFor } from "./presets.ts";
import type { Config } from "./recognise_keys.ts";
import { dispose, scope } from "./tensor/scope.ts";
import { frugal, type Tensor } from "./tensor/tensor.ts";
import { loadLora } from "./train/lora.ts";
import { openWeights, type Weights } from "./weights/open.ts";
import { parseSafetensors } from "./weights/safetensors.ts";
import type { Readable } from "./weights/source.ts";

export { type OfficialAdm, officialAdm };

/** What the metadata of one of our weights files says. All values are text. */
export interface PriorMetadata {
  architecture: "adm_unet";
  /** JSON of the official arguments. */
  config: string;
  /** Of a few-step model: "consistency". */
  precondition: "edm" | "consistency";
  sigma_data: string;
  /** Pixels of a block that the network sees as channels. */
  space_to_depth: string;
  /** The side it was trained at, when its statistics hold for that extent only. */
  tile?: string;
  sigma_min?: string;
  sigma_max?: string;
}

export interface Prior {
  readonly net: Net;
  readonly sigmaData: number;
  /** The bare network F(x, label) of its preconditioning; EDM's label is c_noise. */
  F(params: Params): (x: Tensor, label: readonly number[]) => Tensor;
  readonly metadata: PriorMetadata;
}

/** The prior that a file's metadata describe; its network has no numbers yet. */
export function prior(metadata: Readonly<Record<string, string>>, file = "weights"): Prior {
  const m = metadata as unknown as PriorMetadata;
  if (m.architecture !== "adm_unet" || !["edm", "consistency"].includes(m.precondition))
    throw new WeightsError(
      `${file}: expected the metadata of a Proxel prior (architecture adm_unet, precondition edm or consistency), got ${m.architecture ?? "no architecture"}, ${m.precondition ?? "no precondition"}`,
    );
  const positive = (key: "sigma_data" | "space_to_depth", text: string | undefined) => {
    const n = Number(text);
    if (!(n > 0 && n < Number.POSITIVE_INFINITY))
      throw new WeightsError(`${file}: its metadata expect a positive number as ${key}, got ${text}`);
    return n;
  };
  const sigmaData = positive("sigma_data", m.sigma_data);
  const blocks = positive("space_to_depth", m.space_to_depth ?? "1");
  let net: Net;
  try {
    net = spaceToDepth(officialAdm(JSON.parse(m.config) as OfficialAdm), blocks);
  } catch (error) {
    throw new WeightsError(`${file}: its config describes no network (${(error as Error).message})`);
  }
  return {
    net,
    sigmaData,
    // ADM wants times of 0 .. 1000, c_noise is ln(sigma)/4: 1000 c_noise = 250 ln(sigma), the label of consistency models
    F: (params) => (x, label) => net.apply(params, x, m.precondition === "edm" ? label.map((c) => 1000 * c) : label),
    metadata: m,
  };
}

export interface LoadedDenoiser extends Denoiser, Disposable {
  readonly parameters: number;
  /** The official class, or adm_unet for a prior of our own. */
  readonly architecture: string;
  readonly config: Config;
  /** What was recognised and chosen: network, preconditioner, levels, range of values, and what was assumed. */
  readonly description: string;
}

export interface LoadDenoiserOptions extends AnySizeOptions, FaceOptions {
  /** Storage of the weights; activations follow. */
  dtype?: "f32" | "f16";
  /** A published file by its name, which tells what its tensors do not; by default the file's own name, if it is one. */
  preset?: string;
  /** The official class and its arguments, where the tensors do not say them. */
  architecture?: string;
  config?: Config;
  /** Adapters of low rank for it, as `proxel train lora` writes them. */
  lora?: string | URL | Blob | Uint8Array;
  /** Averaged weights, where the file has both (default), or the trained ones. */
  ema?: boolean;
  signal?: AbortSignal;
  onProgress?(progress: { done: number; total: number }): void;
}

/**
 * A denoiser from a weights file (path, address, Blob or bytes): a prior of our own, or a published network as it was
 * released. Any picture size, continuous sigma, pictures in [-1, 1]. `using` frees its weights.
 */
export async function loadDenoiser(source: Readable, options: LoadDenoiserOptions = {}): Promise<LoadedDenoiser> {
  const { signal, ema, onProgress } = options;
  const weights = await openWeights(source, { ...(signal && { signal }), ...(ema !== undefined && { ema }) });
  try {
    const { face, expected, ...what } = await chosen(weights, options);
    const base = await loadTensors(weights, expected, {
      dtype: options.dtype ?? "f32",
      frugal: true,
      ...(signal && { signal }),
      ...(onProgress && { onProgress }),
    });
    const params = options.lora === undefined ? base : await adapted(base, options.lora);
    const network = planned(face.F(params));
    const denoiser = anySize(face.wrap(network), options);
    let open = true;
    const call: typeof denoiser = Object.assign((x: Tensor, sigma: Sigma): Tensor => {
      if (!open) throw new ProxelError("denoiser: it was disposed; load it again");
      return denoiser(x, sigma);
    }, denoiser);
    return Object.assign(call, what, {
      parameters: expected.parameters,
      [Symbol.dispose]() {
        open = false;
        network[Symbol.dispose]();
        dispose(params);
      },
    });
  } finally {
    await weights.close();
  }
}

/** These parameters with adapters merged into them; what is replaced is freed. */
async function adapted(base: Params, source: NonNullable<LoadDenoiserOptions["lora"]>): Promise<Params> {
  try {
    const file = parseSafetensors(source instanceof Uint8Array ? source : await readBytes(source), String(source));
    const params = scope(() => {
      const { adapters, merge } = loadLora(base, file);
      return merge(adapters);
    });
    dispose(Object.keys(base).flatMap((name) => (base[name] === params[name] ? [] : [base[name] as Tensor])));
    frugal(Object.values(params));
    return params;
  } catch (error) {
    dispose(base);
    throw error;
  }
}

/** A denoiser whose parameters are someone else's to change. */
export interface Trainable extends Disposable {
  /** As the file has them, in f32. */
  readonly params: Params;
  /** Which of them are trained, and which are buffers. */
  readonly specs: Readonly<Specs>;
  denoiser(params: Params): Denoiser;
  /** EDM's bare network, where the file is a prior of our own. */
  readonly edm?: Pick<Prior, "F" | "sigmaData">;
  /** What a file of such parameters says of itself, so that `loadDenoiser` opens it. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly description: string;
}

/** A network from a weights file, to be trained further or adapted. Pictures must be of its own size, or of any. */
export async function loadTrainable(
  source: Readable,
  options: Omit<LoadDenoiserOptions, "dtype" | "lora"> = {},
): Promise<Trainable> {
  const { signal, ema, onProgress } = options;
  const weights = await openWeights(source, { ...(signal && { signal }), ...(ema !== undefined && { ema }) });
  try {
    const { face, expected, description, architecture, config } = await chosen(weights, options);
    const own = weights.metadata.architecture === "adm_unet";
    const params = await loadTensors(weights, expected, {
      ...(signal && { signal }),
      ...(onProgress && { onProgress }),
    });
    return {
      ...{ params, description, specs: settled(expected, weights.name).parameters },
      denoiser: (p) => face.wrap(face.F(p)),
      ...(own && weights.metadata.precondition === "edm" && { edm: prior(weights.metadata, weights.name) }),
      metadata: own ? weights.metadata : { architecture, config: JSON.stringify(config) },
      [Symbol.dispose]: () => dispose(params),
    };
  } finally {
    await weights.close();
  }
}

/** What a file is, and how it becomes a denoiser. */
async function chosen(weights: Weights, options: LoadDenoiserOptions) {
  const who = weights.name;
  if (weights.metadata.architecture === "adm_unet") return ours(weights);
  const [name, preset] = presetFor(who, options.preset);
  const config = { ...preset?.config, ...options.config };
  const found = await examine(weights, { config, architecture: options.architecture });
  if (preset && !found.architecture.startsWith(preset.architecture))
    throw new WeightsError(`${who}: the preset ${name} expects ${preset.architecture}, the file holds ${found.title}`);
  settled(found, who);
  const face = faceOf(found.architecture, found.config, { sigma: preset?.sigma, ...defined(options) }, who);
  const assumed = Object.entries(found.assumed).map(([key, why]) => `${key} (${why})`);
  const description = [
    `${found.title}, ${found.parameters.toLocaleString("en")} parameters: ${face.words}`,
    ...(preset ? [`preset ${name}`] : []),
    ...(assumed.length ? [`assumed: ${assumed.join(", ")}`] : []),
  ].join("; ");
  return { face, expected: found, architecture: found.architecture, config: found.config, description };
}

const defined = ({ label, sigma }: FaceOptions): FaceOptions => ({
  ...(label !== undefined && { label }),
  ...(sigma !== undefined && { sigma }),
});

/** A prior that `proxel train` wrote: its metadata say everything. */
function ours(weights: Weights) {
  const { net, F, sigmaData, metadata } = prior(weights.metadata, weights.name);
  const { precondition: form, sigma_min = "0.004", sigma_max = "60", tile } = metadata;
  const face: Face = {
    F,
    wrap: (network) =>
      precondition[form](network, {
        sigmaData,
        channels: net.inChannels,
        multipleOf: net.multipleOf,
        sigmaMin: Number(sigma_min),
        sigmaMax: Number(sigma_max),
        ...(tile !== undefined && { fixedSize: Number(tile) }),
      }),
    words: `${form}, sigma ${sigma_min} to ${sigma_max}, pictures in [-1, 1]`,
  };
  const expected = whole(weights, net);
  const description = `a prior of Proxel, ${expected.parameters.toLocaleString("en")} parameters: ${face.words}`;
  const config = JSON.parse(metadata.config) as Config;
  return { face, expected, architecture: "adm_unet", config, description };
}
