/**
 * The official classes by name: from the arguments of their constructors to a network that takes what those take. Their
 * pictures are NCHW, as in PyTorch; ours are turned on the way in and out.
 */
import {
  features,
  judge,
  lpipsNetwork,
  normUnetNetwork,
  type RamArguments,
  ramNetwork,
  trunkNetwork,
  varnetNetwork,
} from "./architectures_others.ts";
import { declaredNet, type Given, type Network, nchw, nhwc, times } from "./architectures_shared.ts";
import { precondition } from "./diffusion/precondition.ts";
import { WeightsError } from "./errors.ts";
import { officialAdm } from "./nets/adm_official.ts";
import { officialDdpm } from "./nets/ddpm.ts";
import type { officialDiscriminator } from "./nets/discriminator.ts";
import { officialDncnn } from "./nets/dncnn.ts";
import { officialDrunet } from "./nets/drunet.ts";
import { officialEdm } from "./nets/edm_official.ts";
import { officialNcsnpp } from "./nets/ncsnpp.ts";
import type { Net, PictureNet, Specs } from "./nets/net.ts";
import type { officialVarnet } from "./nets/varnet.ts";
import { ADM, ADM_LORA } from "./recognise_adm.ts";
import { edmClass } from "./recognise_edm.ts";
import type { Config } from "./recognise_keys.ts";
import {
  DISCRIMINATOR,
  DNCNN,
  DNCNN_DEEPINV,
  DRUNET,
  INCEPTION,
  LPIPS,
  NORM_UNET,
  PESSER,
  RAM,
  TORCHVISION,
  VARNET,
} from "./recognise_others.ts";
import { NCSNPP } from "./recognise_score_sde.ts";
import { loraMerge, unparametrised } from "./train/lora.ts";

export type { Given, Network } from "./architectures_shared.ts";

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
  [LPIPS, (config: Parameters<typeof lpipsNetwork>[0]) => lpipsNetwork(config)],
  ...["vgg16", "alexnet", "squeezenet1_1"].map((kind) => [`${TORCHVISION}.${kind}`, () => trunkNetwork(kind)] as const),
  [RAM, (config: RamArguments) => ramNetwork(config)],
  [NORM_UNET, (config: { chans: number; num_pools: number }) => normUnetNetwork(config)],
  [VARNET, (config: Parameters<typeof officialVarnet>[0]) => varnetNetwork(config)],
] as readonly (readonly [string, Build])[]);

/** The network that the official class would build from these arguments. It has no numbers yet. */
export function network(architecture: string, config: Config, who = "network"): Network {
  const build = Object.hasOwn(ARCHITECTURES, architecture) ? ARCHITECTURES[architecture] : undefined;
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

/** The rows of a [N, width] input. */
function rows(given: ReadonlyMap<string, Given>, name: string): number[][] | undefined {
  const input = given.get(name);
  if (!input) return undefined;
  const width = input.shape[1] ?? 1;
  return Array.from({ length: input.shape[0] ?? 1 }, (_, n) =>
    Array.from({ length: width }, (_, i) => input.data[n * width + i] as number),
  );
}

const timed = (net: Net, name: string): Network => ({
  ...declaredNet(net),
  inputs: [name],
  forward: (p, x, given) => nchw(net.apply(p, nhwc(x), times(given, name, x.shape[0] as number))),
});

const plain = (net: PictureNet): Network => ({
  ...declaredNet(net),
  inputs: [],
  forward: (p, x) => nchw(net.apply(p, nhwc(x))),
});

function admNetwork(config: Parameters<typeof officialAdm>[0]): Network {
  const net = officialAdm(config);
  return {
    ...declaredNet(net),
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
    ...declaredNet(net),
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
