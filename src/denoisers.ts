/**
 * Each published network as a Denoiser D(x; s), pictures in [-1, 1] and s on that scale, whatever it was trained on:
 *   noise predictors (ADM, DDPM, DDPM++)   D = x - s eps(x / sqrt(1 + s^2), t(s))          the variance-preserving process
 *   scores (NCSN++)                        D = x + s^2/2 score((x + 1)/2, s/2)             trained on pictures in [0, 1]
 *   EDM                                    D = c_skip x + c_out F(c_in x, c_noise)         by the class around the network
 *   DRUNet, DnCNN                          D = 2 f((x + 1)/2, s/2) - 1                     in [0, 1]; DnCNN is not told s
 */
import { concat, sliceChannels } from "../kernels/concat.ts";
import { affine } from "../kernels/elementwise.ts";
import { type RamArguments, ramOf } from "./architectures_others.ts";
import { type Denoiser, times } from "./diffusion/denoiser.ts";
import { type Network, precondition } from "./diffusion/precondition.ts";
import { ddpmTable } from "./diffusion/schedules.ts";
import { ShapeError, WeightsError } from "./errors.ts";
import { officialAdm } from "./nets/adm_official.ts";
import { officialDdpm } from "./nets/ddpm.ts";
import { officialDncnn } from "./nets/dncnn.ts";
import { officialDrunet } from "./nets/drunet.ts";
import { officialEdm } from "./nets/edm_official.ts";
import { officialNcsnpp } from "./nets/ncsnpp.ts";
import type { Labels, Net, Params } from "./nets/net.ts";
import { identity } from "./physics/identity.ts";
import { ADM } from "./recognise_adm.ts";
import type { Config } from "./recognise_keys.ts";
import { DNCNN, DNCNN_DEEPINV, DRUNET, PESSER, RAM } from "./recognise_others.ts";
import { NCSNPP } from "./recognise_score_sde.ts";
import { scope } from "./tensor/scope.ts";
import type { Tensor } from "./tensor/tensor.ts";

export interface Face {
  /** The bare network, told one number per sample. */
  F(params: Params): Network;
  /** The denoiser around it. */
  wrap(F: Network): Denoiser;
  /** What was chosen: prediction, process, levels, range of values. */
  readonly words: string;
}

export interface FaceOptions {
  /** The class that a class-conditional network is asked for. */
  readonly label?: number | undefined;
  /** The level that DnCNN was trained at, where pictures are in [-1, 1]; or the lowest and highest. */
  readonly sigma?: number | readonly [number, number] | undefined;
}

type Make = (config: never, options: FaceOptions, who: string) => Face;

const FACES: Readonly<Record<string, Make>> = {
  [ADM]: (c: Parameters<typeof officialAdm>[0], options, who) => admFace(c, options, who),
  [NCSNPP]: (c: Parameters<typeof officialNcsnpp>[0] & { continuous?: boolean }) => scoreSdeFace(c),
  [PESSER]: (c: Parameters<typeof officialDdpm>[0]) => epsFace(officialDdpm(c), {}, "DDPM"),
  [DRUNET]: (c: Parameters<typeof officialDrunet>[0]) => drunetFace(c),
  [RAM]: (c: RamArguments) => ramFace(c),
  [DNCNN]: (c: Parameters<typeof officialDncnn>[0], options, who) => dncnnFace(c, options, who),
  [DNCNN_DEEPINV]: (c: Parameters<typeof officialDncnn>[0], options, who) => dncnnFace(c, options, who),
};

/** How this network becomes a denoiser. Throws where it is none: a discriminator, a metric's trunk, a reconstructor. */
export function faceOf(architecture: string, config: Config, options: FaceOptions, who: string): Face {
  const make = architecture.startsWith("edm ") ? (edmFace as Make) : FACES[architecture];
  if (!make)
    throw new WeightsError(
      `${who}: expected a network that denoises, got ${architecture}; \`proxel weights forward\` runs others`,
    );
  return make(config as never, options, who);
}

const everywhere = (label: number | undefined, N: number): Labels =>
  label === undefined ? {} : { label: new Array<number>(N).fill(label) };

const shapeOf = ({ inChannels, multipleOf }: Pick<Net, "inChannels" | "multipleOf">) => ({
  channels: inChannels,
  multipleOf,
});

const number = (x: number): string => Number(x.toPrecision(4)).toString();

function admFace(c: Parameters<typeof officialAdm>[0], { label }: FaceOptions, who: string): Face {
  const classes = c.num_classes ?? 0;
  if (classes && label === undefined)
    throw new WeightsError(`${who}: the network is class-conditional; give a label of 0 to ${classes - 1}`);
  const net = officialAdm(c);
  const given = classes ? { label } : {};
  const learnt = net.outChannels === 2 * net.inChannels ? ", its learnt variance left out" : "";
  if (c.image_size === 64 && c.use_new_attention_order) return cosineFace(net, given, learnt);
  return epsFace(net, given, `ADM${learnt}`);
}

/** Of the process of DDPM: 1000 steps, betas rising linearly from 1e-4 to 0.02. The label is the fractional step. */
function epsFace(net: Net, { label }: FaceOptions, name: string): Face {
  const levels = ddpmTable().sigma;
  return {
    F: (p) => (x, t) => net.apply(p, x, t, everywhere(label, t.length)),
    wrap: (F) => precondition.vp(F, { ...shapeOf(net), levels }),
    words: `${name}: predicts noise (vp), 1000 linear steps, sigma ${number(levels[0] as number)} to ${number(levels[999] as number)}, pictures in [-1, 1]`,
  };
}

/** Of ADM at 64 pixels: the cosine schedule. */
function cosineFace(net: Net, { label }: FaceOptions, learnt: string): Face {
  return {
    F: (p) => (x, t) => net.apply(p, x, t, everywhere(label, t.length)),
    wrap: (F) => precondition.iddpm(F, shapeOf(net)),
    words: `ADM${learnt}: predicts noise (iddpm), 1000 steps of the cosine schedule, pictures in [-1, 1]`,
  };
}

function scoreSdeFace(c: Parameters<typeof officialNcsnpp>[0] & { continuous?: boolean }): Face {
  const net = officialNcsnpp(c);
  if (c.centered && !c.scale_by_sigma)
    return {
      F: (p) => (x, t) => net.apply(p, x, t),
      wrap: (F) => precondition.vp(F, shapeOf(net)),
      words:
        "DDPM++ or NCSN++ of the VP process: predicts noise (vp), label 999 t with t in (0, 1], pictures in [-1, 1]",
    };
  const unit = c.centered ? 1 : 2; // of [-1, 1] in the network's own units
  const seen = (x: Tensor) => (c.centered ? x : affine(x, 0.5, 0.5));
  const range = { ...shapeOf(net), sigmaMin: unit * c.sigma_min, sigmaMax: unit * c.sigma_max };
  const where = c.centered ? "[-1, 1]" : "[0, 1]";
  const told = `sigma ${number(range.sigmaMin)} to ${number(range.sigmaMax)}`;
  if (c.continuous === false) {
    const top = Math.log(c.sigma_max);
    const step = (Math.log(c.sigma_min) - top) / (c.num_scales - 1);
    const level = (j: number) => Math.exp(top + step * j);
    const index = (s: number) => Math.min(c.num_scales - 1, Math.max(0, Math.round((Math.log(s / unit) - top) / step)));
    return {
      // D = x + s (s' score), with s' the level of the label in the network's units
      F: (p) => (x, j) => times(j.map(level), net.apply(p, seen(x), j)),
      wrap: (F) =>
        Object.assign(precondition.ve(F, { ...range, noise: index }), { round: (s: number) => unit * level(index(s)) }),
      words: `NCSN++ of the discrete VE process: score (ve), label the index of ${c.num_scales} levels, ${told}, the network sees ${where}`,
    };
  }
  return {
    F: (p) => (x, cNoise) => {
      const own = cNoise.map((u) => (2 / unit) * Math.exp(u)); // c_noise is ln(s/2)
      return scope(() => times(own, net.apply(p, seen(x), own)));
    },
    wrap: (F) => precondition.ve(F, range),
    words: `NCSN++ of the VE process: score (ve), label sigma, ${told}, the network sees ${where}`,
  };
}

function edmFace(c: Parameters<typeof officialEdm>[0], { label }: FaceOptions): Face {
  const { net, precondition: form, sigmaData, classes } = officialEdm(c);
  const none = new Array<number>(classes).fill(0);
  const labels = (N: number): Labels =>
    classes === 0 ? {} : label === undefined ? { label: new Array<number[]>(N).fill(none) } : everywhere(label, N);
  return {
    F: (p) => (x, t) => net.apply(p, x, t, labels(t.length)),
    wrap: (F) => precondition[form](F, { ...shapeOf(net), ...(form === "edm" && { sigmaData }) }),
    words: `${c.precond ?? "EDMPrecond"} around ${c.model_type ?? "its network"} (${form}), pictures in [-1, 1]${classes && label === undefined ? ", asked for no class" : ""}`,
  };
}

/** RAM with A = I: a restorer as a denoiser. */
function ramFace(c: RamArguments): Face {
  const net = ramOf(c);
  const channels = Math.max(...(c.in_channels ?? [3]));
  return {
    F: (p) => (x, sigma) =>
      net.apply(p, x, identity(x.shape.slice(1) as [number, number, number]), { sigma: sigma.map((s) => s / 2) }),
    wrap: direct({ inChannels: channels, multipleOf: 1 }, [1 / 255, 1]),
    words: `RAM with the identity as its operator: gives the picture, told sigma/2; the network sees [0, 1], ${channels} channels`,
  };
}

/** A network that gives the picture itself, of pictures in [0, 1]. */
function direct(
  net: Pick<Net, "inChannels" | "multipleOf">,
  [sigmaMin, sigmaMax]: readonly [number, number],
): Face["wrap"] {
  const { channels, multipleOf } = shapeOf(net);
  return (F) =>
    Object.assign(
      (x: Tensor, sigma: number | readonly number[]): Tensor => {
        const [N, H, W, C] = x.shape as [number, number, number, number];
        if (x.shape.length !== 4 || C !== channels || H % multipleOf || W % multipleOf)
          throw new ShapeError(
            `denoiser: expected [N, H, W, ${channels}]${multipleOf > 1 ? ` with H and W multiples of ${multipleOf}` : ""}, got [${x.shape}]`,
          );
        const each = typeof sigma === "number" ? new Array<number>(N).fill(sigma) : sigma.map((s) => s);
        return scope(() => affine(F(affine(x, 0.5, 0.5), each), 2, -1));
      },
      { sigmaMin, sigmaMax, channels, multipleOf },
    );
}

function drunetFace(c: Parameters<typeof officialDrunet>[0]): Face {
  const net = officialDrunet(c);
  const channels = net.inChannels - 1;
  return {
    F: (p) => (x, sigma) =>
      scope(() => {
        const ones = affine(sliceChannels(x, 0, 1), 0, 1);
        return net.apply(
          p,
          concat([
            x,
            times(
              sigma.map((s) => s / 2),
              ones,
            ),
          ]),
        );
      }),
    wrap: direct({ inChannels: channels, multipleOf: net.multipleOf }, [1 / 255, 100 / 255]),
    words:
      "DRUNet: gives the picture, told sigma/2 as a channel, trained for levels up to 50/255 of [0, 1], which it sees",
  };
}

function dncnnFace(c: Parameters<typeof officialDncnn>[0], { sigma }: FaceOptions, who: string): Face {
  if (sigma === undefined)
    throw new WeightsError(
      `${who}: DnCNN was trained for one noise level, which no tensor shows; give a preset (dncnn_15, dncnn_25, dncnn_50, …) or sigma`,
    );
  const net = officialDncnn(c);
  const range: readonly [number, number] = typeof sigma === "number" ? [sigma, sigma] : sigma;
  const wrap = direct(net, range);
  return {
    F: (p) => (x) => net.apply(p, x),
    wrap: (F) => (typeof sigma === "number" ? Object.assign(wrap(F), { round: () => sigma }) : wrap(F)),
    words: `DnCNN: gives the picture, blind, trained at sigma ${[...new Set(range.map(number))].join(" to ")}; the network sees [0, 1]`,
  };
}
