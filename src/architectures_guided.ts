/** I2SB's bridges and CoSIGN's controlled models, as the files of `proxel train i2sb` and `cosign` describe them. */
import { bridge } from "./diffusion/bridge.ts";
import type { Reconstructor } from "./diffusion/denoiser.ts";
import { WeightsError } from "./errors.ts";
import { loadTensors, whole } from "./identify.ts";
import { type OfficialAdm, officialAdm } from "./nets/adm_official.ts";
import { type ControlNet, controlNet } from "./nets/controlnet.ts";
import type { Net, Params, Specs } from "./nets/net.ts";
import { spaceToDepth } from "./nets/space_to_depth.ts";
import { cosign } from "./solvers/cosign.ts";
import { i2sb } from "./solvers/i2sb.ts";
import type { Solver } from "./solvers/solver.ts";
import { dispose } from "./tensor/scope.ts";
import type { Tensor } from "./tensor/tensor.ts";
import { cosignModel, type GuidedOptions } from "./train/cosign.ts";
import { type I2sbLossOptions, i2sbModel } from "./train/i2sb.ts";
import { openWeights } from "./weights/open.ts";
import type { Readable } from "./weights/source.ts";

type Metadata = Readonly<Record<string, string>>;

/** A bridge's network: of the state and, if so trained, of the degraded picture beside it. */
export function bridgeOf(m: Metadata): { net: Net; options: I2sbLossOptions } {
  return {
    net: spaceToDepth(officialAdm(JSON.parse(m.config as string) as OfficialAdm), Number(m.space_to_depth ?? "1")),
    options: {
      of: bridge({ betaMax: Number(m.beta_max ?? "0.3") }),
      otOde: m.ot_ode === "true",
      condX1: m.cond_x1 === "true",
    },
  };
}

/** The control of a consistency prior's network, from that prior's metadata. */
export function controlOf(m: Metadata): {
  control: ControlNet;
  base: Readonly<Specs>;
  options: Required<GuidedOptions>;
} {
  const net = officialAdm(JSON.parse(m.config as string) as OfficialAdm);
  return {
    control: controlNet(net, { block: Number(m.space_to_depth ?? "1") }),
    base: net.parameters,
    options: {
      sigmaData: Number(m.sigma_data ?? "0.5"),
      sigmaMin: Number(m.sigma_min ?? "0.002"),
      sigmaMax: Number(m.sigma_max ?? "80"),
    },
  };
}

/** Names as in a CoSIGN file, where the frozen model lies beside its control. */
export const prefixed = <T>(prefix: string, tree: Readonly<Record<string, T>>): Record<string, T> =>
  Object.fromEntries(Object.entries(tree).map(([name, t]) => [`${prefix}.${name}`, t]));

const within = (prefix: string, params: Params): Params =>
  Object.fromEntries(
    Object.entries(params).flatMap(([name, t]) =>
      name.startsWith(`${prefix}.`) ? [[name.slice(prefix.length + 1), t as Tensor]] : [],
    ),
  );

export interface LoadedGuided extends Disposable {
  readonly name: "i2sb" | "cosign";
  readonly model: Reconstructor;
  /** Of its training: `steps` calls, at most 2 of CoSIGN's. */
  solver(options?: { steps?: number | undefined }): Solver;
}

/** What `proxel train i2sb` or `cosign` wrote, as a problem's `model` and the solver that calls it. `using` frees its weights. */
export async function loadGuided(source: Readable): Promise<LoadedGuided> {
  const weights = await openWeights(source);
  try {
    const { metadata } = weights;
    const { architecture } = metadata;
    if (architecture === "i2sb") {
      const { net, options } = bridgeOf(metadata);
      const params = await loadTensors(weights, whole(weights, net), { frugal: true });
      return {
        ...{ name: "i2sb", model: i2sbModel(net, params, options) },
        solver: ({ steps = 20 } = {}) =>
          i2sb({
            steps,
            of: bridge({ betaMax: Number(metadata.beta_max) }),
            otOde: metadata.ot_ode === "true",
          }) as Solver,
        [Symbol.dispose]: () => dispose(params),
      };
    }
    if (architecture === "cosign") {
      const { control, base, options } = controlOf(metadata);
      const parameters = { ...prefixed("control", control.parameters), ...prefixed("base", base) };
      const params = await loadTensors(weights, whole(weights, { ...control, parameters }), { frugal: true });
      return {
        ...{ name: "cosign", model: cosignModel(control, within("control", params), within("base", params), options) },
        solver: ({ steps = 2 } = {}) => cosign({ at: steps === 1 ? [0] : [0, 17], range: options }) as Solver,
        [Symbol.dispose]: () => dispose(params),
      };
    }
    throw new WeightsError(
      `${weights.name}: expected a file of \`proxel train i2sb\` or \`cosign\`, got ${architecture ?? "no architecture"}`,
    );
  } finally {
    await weights.close();
  }
}
