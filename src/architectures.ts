/**
 * The official classes by name: from the arguments of their constructors to a network that takes what those take. Their
 * pictures are NCHW, as in PyTorch; ours are turned on the way in and out.
 */
import { affine } from "../kernels/elementwise.ts";
import { asComplex, reshape } from "../kernels/reshape.ts";
import { transpose } from "../kernels/transpose.ts";
import { precondition } from "./diffusion/precondition.ts";
import { WeightsError } from "./errors.ts";
import { officialAdm } from "./nets/adm_official.ts";
import { officialDdpm } from "./nets/ddpm.ts";
import { officialDiscriminator } from "./nets/discriminator.ts";
import { officialDncnn } from "./nets/dncnn.ts";
import { officialDrunet } from "./nets/drunet.ts";
import { officialEdm } from "./nets/edm_official.ts";
import { inception } from "./nets/inception.ts";
import { officialNcsnpp } from "./nets/ncsnpp.ts";
import type { Labels, Module, Params, PerSample, Specs } from "./nets/net.ts";
import { normUnet } from "./nets/norm_unet.ts";
import { officialVarnet } from "./nets/varnet.ts";
import { ADM, ADM_LORA } from "./recognise_adm.ts";
import { edmClass } from "./recognise_edm.ts";
import type { Config } from "./recognise_keys.ts";
import {
  DISCRIMINATOR,
  DNCNN,
  DNCNN_DEEPINV,
  DRUNET,
  INCEPTION,
  NORM_UNET,
  PESSER,
  VARNET,
} from "./recognise_others.ts";
import { NCSNPP } from "./recognise_score_sde.ts";
import { type Tensor, tensor } from "./tensor/tensor.ts";
import { loraMerge, unparametrised } from "./train/lora.ts";

/** An input as it is stored: NCHW, row-major. */
export interface Given {
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}

export interface Network {
  readonly parameters: Readonly<Specs>;
  /** What else its checkpoints hold. */
  readonly buffers?: Module<[]>["buffers"];
  /** Names of what it takes beside the picture `x`; a name in brackets may be left out. */
  readonly inputs: readonly string[];
  /** What the official forward gives for these inputs, in its layout. */
  forward(params: Params, x: Tensor, given: ReadonlyMap<string, Given>): Tensor;
}

type Build = (config: never) => Network;

const edm = (precond: string): readonly [string, Build] => [
  edmClass(precond),
  (config: Parameters<typeof officialEdm>[0]) => edmNetwork({ ...config, precond: precond as "EDMPrecond" }),
];

/** Every class that can be run, by its name in the official code. */
export const ARCHITECTURES: Readonly<Record<string, Build>> = Object.fromEntries([
  [ADM, (config: Parameters<typeof officialAdm>[0]) => admNetwork(config)],
  [ADM_LORA, (config: LoraConfig) => loraNetwork(config)],
  [NCSNPP, (config: Parameters<typeof officialNcsnpp>[0]) => timed(officialNcsnpp(config), "sigma")],
  edm("EDMPrecond"),
  edm("VPPrecond"),
  edm("VEPrecond"),
  edm("iDDPMPrecond"),
  [DRUNET, (config: Parameters<typeof officialDrunet>[0]) => plain(officialDrunet(config))],
  [DNCNN, (config: Parameters<typeof officialDncnn>[0]) => plain(officialDncnn(config))],
  [DNCNN_DEEPINV, (config: Parameters<typeof officialDncnn>[0]) => plain(officialDncnn(config))],
  [PESSER, (config: Parameters<typeof officialDdpm>[0]) => timed(officialDdpm(config), "t")],
  [DISCRIMINATOR, (config: Parameters<typeof officialDiscriminator>[0]) => judge(config)],
  [INCEPTION, () => features()],
  [NORM_UNET, (config: { chans: number; num_pools: number }) => normUnetNetwork(config)],
  [VARNET, (config: Parameters<typeof officialVarnet>[0]) => varnetNetwork(config)],
] as readonly (readonly [string, Build])[]);

/** The network that the official class would build from these arguments. It has no numbers yet. */
export function network(architecture: string, config: Config, who = "network"): Network {
  const build = ARCHITECTURES[architecture];
  if (!build)
    throw new WeightsError(
      `${who}: expected an architecture that Proxel has, got ${architecture}; it has ${Object.keys(ARCHITECTURES).join(", ")}`,
    );
  try {
    return build(config as never);
  } catch (error) {
    throw new WeightsError(`${who}: its config describes no network (${(error as Error).message})`, { cause: error });
  }
}

/** [N, C, H, W] to [N, H, W, C]. */
export function nhwc(x: Tensor): Tensor {
  const [N, C, H, W] = x.shape as [number, number, number, number];
  return reshape(transpose(reshape(x, [N, C, H * W])), [N, H, W, C]);
}
/** [N, H, W, C] to [N, C, H, W]. */
export function nchw(x: Tensor): Tensor {
  const [N, H, W, C] = x.shape as [number, number, number, number];
  return reshape(transpose(reshape(x, [N, H * W, C])), [N, C, H, W]);
}

/** One number per sample: the noise level or time that an input gives. */
function times(given: ReadonlyMap<string, Given>, name: string, N: number): number[] {
  const values = Array.from((given.get(name) as Given).data);
  if (values.length === 1) return new Array<number>(N).fill(values[0] as number);
  if (values.length !== N) throw new WeightsError(`${name}: expected 1 number or ${N}, got ${values.length}`);
  return values;
}

/** The rows of a [N, width] input. */
function rows(given: ReadonlyMap<string, Given>, name: string): number[][] | undefined {
  const input = given.get(name);
  if (!input) return undefined;
  const width = input.shape[1] ?? 1;
  return Array.from({ length: input.shape[0] ?? 1 }, (_, n) =>
    Array.from({ length: width }, (_, i) => input.data[n * width + i] as number),
  );
}

/** What a network declares. */
const declared = ({ parameters, buffers }: Pick<Module<[]>, "parameters" | "buffers">) => ({
  parameters,
  ...(buffers && { buffers }),
});

const timed = (net: Module<[x: Tensor, t: PerSample, labels?: Labels]>, name: string): Network => ({
  ...declared(net),
  inputs: [name],
  forward: (p, x, given) => nchw(net.apply(p, nhwc(x), times(given, name, x.shape[0] as number))),
});

const plain = (net: Module<[x: Tensor]>): Network => ({
  ...declared(net),
  inputs: [],
  forward: (p, x) => nchw(net.apply(p, nhwc(x))),
});

function admNetwork(config: Parameters<typeof officialAdm>[0]): Network {
  const net = officialAdm(config);
  return {
    ...declared(net),
    inputs: config.num_classes ? ["timesteps", "label"] : ["timesteps"],
    forward(p, x, given) {
      const label = given.get("label");
      const labels = label ? { label: Array.from(label.data) } : {};
      return nchw(net.apply(p, nhwc(x), times(given, "timesteps", x.shape[0] as number), labels));
    },
  };
}

type LoraConfig = Parameters<typeof officialAdm>[0] & {
  rank: number;
  alpha: number;
  targets: readonly string[];
  base?: string;
};

/** UD2M's adapters, in the file as torch's parametrizations write them; merged before each call. */
function loraNetwork(config: LoraConfig): Network {
  const base = network(config.base ?? ADM, config as unknown as Config);
  const match = config.targets.map((name) => new RegExp(`${name.replace(/\W/g, "\\$&")}$`));
  const parameters: Specs = {};
  for (const [name, spec] of Object.entries(base.parameters)) {
    const layer = name.replace(/\.weight$/, "");
    if (layer === name || spec.shape.length < 2 || !match.some((m) => m.test(layer))) {
      parameters[name] = spec;
      continue;
    }
    const [O, I] = [spec.shape[0] as number, spec.shape.slice(1).reduce((a, b) => a * b, 1)];
    const at = `${layer}.parametrizations.weight`;
    const std = (rows: number) => ({ std: Math.sqrt(2 / (rows + config.rank)) });
    parameters[`${at}.original`] = spec;
    parameters[`${at}.0.lora_A`] = { shape: [O, config.rank], init: std(O) };
    parameters[`${at}.0.lora_B`] = { shape: [config.rank, I], init: std(I) };
  }
  return {
    ...base,
    parameters,
    forward(p, x, given) {
      const factor = (name: string) => /\.lora_[AB]$/.test(name);
      const frozen = Object.fromEntries(
        Object.entries(p).flatMap(([name, t]) => (factor(name) ? [] : [[unparametrised(name), t]])),
      );
      const merge = loraMerge(frozen, { rank: config.rank, alpha: config.alpha, match, init: "ud2m" });
      return base.forward(merge(p), x, given);
    },
  };
}

/** D(x; sigma) of the preconditioner's class, not the bare network inside. */
function edmNetwork(config: Parameters<typeof officialEdm>[0]): Network {
  const { net, precondition: form, sigmaData, classes, augments } = officialEdm(config);
  return {
    ...declared(net),
    inputs: ["sigma", ...(classes ? ["(class_labels)"] : []), ...(augments ? ["(augment_labels)"] : [])],
    forward(p, x, given) {
      const label = rows(given, "class_labels");
      const augment = rows(given, "augment_labels");
      const labels = { ...(label && { label }), ...(augment && { augment }) };
      const D = precondition[form]((u, t) => net.apply(p, u, t, labels), {
        channels: net.inChannels,
        ...(form === "edm" && { sigmaData }),
      });
      return nchw(D(nhwc(x), times(given, "sigma", x.shape[0] as number)));
    },
  };
}

/** UD2M's discriminator: the probability that `x` restores what `cond` shows, [N, 1]. */
function judge(config: Parameters<typeof officialDiscriminator>[0]): Network {
  const net = officialDiscriminator(config);
  return {
    ...declared(net),
    inputs: ["cond"],
    forward(p, x, given) {
      const { shape, data } = given.get("cond") as Given;
      const y = net.apply(p, nhwc(x), nhwc(tensor(shape, data, x.dtype)), { sigmoid: true });
      return reshape(y, [x.shape[0] as number, 1]);
    },
  };
}

/** The 2048 features of FID, from pictures in [0, 1]. */
function features(): Network {
  const net = inception();
  return { ...declared(net), inputs: [], forward: (p, x) => net.apply(p, affine(nhwc(x), 2, -1)) };
}

/** Of complex pictures [N, coils, H, W, 2]; inside, the real parts of all coils come before the imaginary ones. */
function normUnetNetwork({
  chans,
  num_pools,
  ...more
}: {
  chans: number;
  num_pools: number;
  in_chans?: number;
}): Network {
  const net = normUnet({ channels: chans, pools: num_pools, planes: more.in_chans ?? 2 });
  return {
    ...declared(net),
    inputs: [],
    forward(p, x) {
      const [N, coils, H, W] = x.shape as [number, number, number, number];
      if (x.shape.length !== 5 || x.shape[4] !== 2)
        throw new WeightsError(`x: expected [N, coils, H, W, 2], got [${x.shape}]`);
      const planes = reshape(transpose(reshape(x, [N, coils, H * W * 2])), [N, H, W, 2 * coils]);
      return reshape(transpose(reshape(net.apply(p, planes), [N, H * W * 2, coils])), x.shape);
    },
  };
}

/** `x` (fastMRI: masked_kspace) [N, coils, H, W, 2] and `mask`, its last axes [W, 1], to a picture [N, H, W]. */
function varnetNetwork(config: Parameters<typeof officialVarnet>[0]): Network {
  const net = officialVarnet(config);
  return {
    ...declared(net),
    inputs: ["mask", "(num_low_frequencies)"],
    forward(p, x, given) {
      const [N, coils, H, W] = x.shape as [number, number, number, number];
      if (x.shape.length !== 5 || x.shape[4] !== 2)
        throw new WeightsError(`x: expected k-space [N, coils, H, W, 2], got [${x.shape}]`);
      const planes = transpose(reshape(x, [N, coils, H * W * 2])); // [N, (pixels, re | im), coils]
      const k = asComplex(reshape(transpose(reshape(planes, [N, H * W, 2, coils])), [N, H, W, coils, 2]));
      const mask = Array.from((given.get("mask") as Given).data).slice(0, W);
      const low = given.get("num_low_frequencies")?.data[0];
      return reshape(net.apply(p, k, { mask, ...(low ? { lowFrequencies: low } : {}) }), [N, H, W]);
    },
  };
}
