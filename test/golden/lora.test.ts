import { type OfficialAdm, officialAdm } from "../../src/nets/adm_official.ts";
import { type ParamSpec, shapesOf } from "../../src/nets/net.ts";
import { type LoraOptions, loraMerge, loraShapes, unparametrised } from "../../src/train/lora.ts";
import { withGpu } from "../lib/gpu.ts";
import { goldenCase } from "../lib/network.ts";

withGpu();

// the state dict of a parametrised network: originals under names of their own, the adapters beside them
goldenCase("adm_lora", (json) => {
  const config = json.config as OfficialAdm & { rank: number; alpha: number; targets: string[] };
  const net = officialAdm(config);
  const options: LoraOptions = {
    rank: config.rank,
    alpha: config.alpha,
    match: config.targets.map((name) => new RegExp(`${name}$`)),
    init: "ud2m",
    also: /^out\./,
  };
  const adapters = loraShapes(shapesOf(net.parameters), options);
  const trainable = json.trainable as string[];
  if (`${Object.keys(adapters).sort()}` !== `${[...trainable].sort()}`)
    throw new Error(`what is trained differs: ${Object.keys(adapters)} and ${trainable}`);
  const original = (name: string) => {
    const parametrised = name.replace(/([^.]+)$/, "parametrizations.$1.original");
    return Object.hasOwn(adapters, parametrised.replace(/original$/, "0.lora_A")) ? parametrised : name;
  };
  const parameters: Record<string, ParamSpec> = {
    ...Object.fromEntries(Object.entries(net.parameters).map(([name, spec]) => [original(name), spec])),
    ...Object.fromEntries(Object.entries(adapters).map(([name, shape]) => [name, { shape, init: 0 }])),
  };
  return {
    parameters,
    apply(params, x, io) {
      const base = Object.fromEntries(
        Object.entries(params).flatMap(([name, t]) => (/lora_[AB]$/.test(name) ? [] : [[unparametrised(name), t]])),
      );
      const merge = loraMerge(base, options);
      return net.apply(merge(params), x, [...(io.get("timesteps")?.data ?? [])]);
    },
  };
});
