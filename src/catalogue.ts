/** Where things have names as text: what a weights file says it is, and what the command line offers. */
import { readBytes } from "#platform";
import { type AnySizeOptions, anySize } from "./diffusion/any_size.ts";
import type { Denoiser } from "./diffusion/denoiser.ts";
import { planned } from "./diffusion/planned.ts";
import { precondition } from "./diffusion/precondition.ts";
import { WeightsError } from "./errors.ts";
import { type OfficialAdm, officialAdm } from "./nets/adm_official.ts";
import { type Net, type Params, shapesOf } from "./nets/net.ts";
import { spaceToDepth } from "./nets/space_to_depth.ts";
import { dispose } from "./tensor/scope.ts";
import { loadParams } from "./weights/params.ts";
import { parseSafetensors } from "./weights/safetensors.ts";

export { type OfficialAdm, officialAdm };

/** What the metadata of one of our weights files says. All values are text. */
export interface PriorMetadata {
  architecture: "adm_unet";
  /** JSON of the official arguments. */
  config: string;
  precondition: "edm";
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
  /** The bare network F(x, c_noise) of EDM's preconditioning. */
  F(
    params: Params,
  ): (x: import("./tensor/tensor.ts").Tensor, cNoise: readonly number[]) => import("./tensor/tensor.ts").Tensor;
  readonly metadata: PriorMetadata;
}

/** The prior that a file's metadata describe; its network has no numbers yet. */
export function prior(metadata: Readonly<Record<string, string>>, file = "weights"): Prior {
  const m = metadata as unknown as PriorMetadata;
  if (m.architecture !== "adm_unet" || m.precondition !== "edm")
    throw new WeightsError(
      `${file}: expected the metadata of a Proxel prior (architecture adm_unet, precondition edm), got ${m.architecture ?? "no architecture"}, ${m.precondition ?? "no precondition"}`,
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
    // ADM wants times of 0 .. 1000, c_noise is ln(sigma)/4: 1000 c_noise = 250 ln(sigma)
    F: (params) => (x, cNoise) =>
      net.apply(
        params,
        x,
        cNoise.map((c) => 1000 * c),
      ),
    metadata: m,
  };
}

export interface LoadedDenoiser extends Denoiser, Disposable {
  readonly parameters: number;
}

/** A denoiser from a weights file (path, URL or Blob): any picture size, continuous sigma. `using` frees its weights. */
export async function loadDenoiser(
  source: string | URL | Blob,
  options: AnySizeOptions & { dtype?: "f32" | "f16" } = {},
): Promise<LoadedDenoiser> {
  const name =
    typeof source === "string" ? source : source instanceof URL ? source.href : ((source as File).name ?? "weights");
  const file = parseSafetensors(await readBytes(source), name);
  const { net, F, sigmaData, metadata } = prior(file.metadata, name);
  const params = loadParams(name, shapesOf(net.parameters), file, { dtype: options.dtype ?? "f32" });
  const fixed = metadata.tile === undefined ? {} : { fixedSize: Number(metadata.tile) };
  const network = planned(F(params));
  const bare = precondition.edm(network, {
    sigmaData,
    channels: net.inChannels,
    multipleOf: net.multipleOf,
    sigmaMin: Number(metadata.sigma_min ?? 0.004),
    sigmaMax: Number(metadata.sigma_max ?? 60),
    ...fixed,
  });
  const parameters = Object.values(net.parameters).reduce(
    (sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1),
    0,
  );
  return Object.assign(anySize(bare, options), {
    parameters,
    [Symbol.dispose]() {
      network[Symbol.dispose]();
      dispose(params);
    },
  });
}
