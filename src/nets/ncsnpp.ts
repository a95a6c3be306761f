/**
 * NCSN++ and DDPM++ [Song et al. 2021, appendix H], layer for layer as score_sde's NCSNpp, parameters under its names.
 *   e = Linear(silu(Linear(embedding(t))))           h = conv(x)          p = x, the input pyramid
 *   encoder, a level:  h = res(h, e) and perhaps attention, a few times; h = res_down(h, e)
 *                      skip: p = down(p), h = conv(p) + h       residual: h = p = (conv(down(p)) + h) / sqrt 2
 *   middle:            h = res(attention(res(h)))
 *   decoder, a level:  h = res([h, pop], e) a few times; perhaps attention; y = up(y) + conv(silu(norm(h))); h = res_up(h, e)
 *   y is that sum (output skip), or conv(silu(norm(h))) of the last h; divided by sigma where the network gives a score
 */
import { mul } from "../../kernels/broadcast.ts";
import { affine, silu } from "../../kernels/elementwise.ts";
import { sinusoidal } from "../../kernels/embedding.ts";
import { fourier } from "../../kernels/fourier.ts";
import { linear } from "../../kernels/matmul.ts";
import { ShapeError } from "../errors.ts";
import { scope } from "../tensor/scope.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import { inBlock } from "./checkpointed.ts";
import { attend, combined, conv, down, merged, norm, pyramidName, residual, up } from "./ncsnpp_layers.ts";
import { declareEmbedding, declareStep, plan } from "./ncsnpp_plan.ts";
import { type Net, type Params, type PerSample, perSample, type Specs } from "./net.ts";

export interface NcsnppConfig {
  /** The side it was trained at; decides only where attention goes. */
  resolution: number;
  inChannels?: number;
  channels: number;
  multipliers: readonly number[];
  /** Residual blocks per level. */
  blocks?: number;
  /** Sides at which there is attention. The middle always has it. */
  attention?: readonly number[];
  /** Fourier features of ln t, with t = sigma; or sinusoids of t itself. */
  embedding?: "fourier" | "positional";
  fourierScale?: number;
  /** The filter of every resampling; without one, nearest neighbours up and 2 x 2 means down. */
  fir?: readonly number[] | undefined;
  /** Divide by sqrt 2 after each sum. */
  skipRescale?: boolean;
  progressiveInput?: "none" | "residual" | "skip";
  progressiveOutput?: "none" | "skip";
  combine?: "sum" | "cat";
  /** The result is divided by sigma: t itself with Fourier features, otherwise number t of the noise levels. */
  scaleBySigma?: boolean;
  /** x comes in [-1, 1]; otherwise in [0, 1], and is stretched here. */
  centered?: boolean;
  /** The noise levels of training, from max down to min in equal ratios. */
  sigmas?: { min: number; max: number; count: number };
}

export function ncsnpp(config: NcsnppConfig): Net {
  const { resolution, inChannels = 3, channels, multipliers, blocks = 2, attention: attends = [] } = config;
  const { embedding = "fourier", fourierScale = 16, fir, skipRescale = true, scaleBySigma = true } = config;
  const { progressiveInput = "none", progressiveOutput = "none", combine = "sum", centered = false } = config;
  const { min, max, count } = config.sigmas ?? { min: 0.01, max: 50, count: 1000 };
  if (channels % 4) throw new ShapeError(`ncsnpp: ${channels} channels do not divide into groups of 4`);

  const parameters: Specs = {};
  const first = declareEmbedding(parameters, channels, embedding === "fourier" ? fourierScale : undefined);
  const sizes = { resolution, inChannels, channels, multipliers, blocks, attention: attends };
  const steps = plan({ ...sizes, progressiveInput, progressiveOutput, combine }, first);
  for (const step of steps) declareStep(parameters, step, 4 * channels, pyramidName(fir));

  const by = { fir, scale: skipRescale ? Math.SQRT1_2 : 1 };
  const embed = (p: Params, t: number[]): Tensor => {
    const dense = (h: Tensor, i: number) =>
      linear(h, p[`all_modules.${i}.weight`] as Tensor, p[`all_modules.${i}.bias`] as Tensor);
    const features =
      embedding === "fourier"
        ? fourier(t.map(Math.log), p["all_modules.0.W"] as Tensor)
        : sinusoidal(t, channels, { kind: "ddpm" });
    return silu(dense(silu(dense(features, first - 2)), first - 1)); // every block begins with this silu
  };
  /** The standard deviation of the noise that t stands for. */
  const sigmaOf = (t: number): number => {
    if (embedding === "fourier") return t;
    const i = Math.trunc(t);
    if (!(i >= 0 && i < count)) throw new RangeError(`ncsnpp: a noise level of 0 to ${count - 1} expected, got ${t}`);
    return max * (min / max) ** (i / Math.max(1, count - 1));
  };

  return {
    name: "ncsnpp",
    inChannels,
    outChannels: inChannels,
    multipleOf: 2 ** (multipliers.length - 1),
    parameters,
    buffers: { sigmas: [count] },
    apply: (p, x, t: PerSample, { checkpoint } = {}) =>
      scope(() => {
        const times = perSample(t, x.shape[0] as number);
        const e = embed(p, times);
        const skips: Tensor[] = [];
        const input = centered ? x : affine(x, 2, -1);
        let [h, pyramid] = [input, input];
        let y: Tensor | undefined;
        /** Frees what nobody reads any more. */
        const done = (t: Tensor | undefined) => {
          if (t && t !== input && !skips.includes(t)) t.dispose();
        };
        for (const step of steps) {
          const { kind, at } = step;
          const [before, sum] = [h, y];
          if (kind === "conv") h = conv(p, at, "", before, { padding: 1 });
          else if (kind === "res") {
            const skip = step.pop && skips.pop();
            const f = (own: Params, h: Tensor, e: Tensor, skip: Tensor | undefined) =>
              residual(own, step, h, skip, e, by);
            h = inBlock(checkpoint, f, p, `all_modules.${at}`, before, e, skip);
            done(skip);
          } else if (kind === "attention")
            h = inBlock(checkpoint, (own, h: Tensor) => attend(own, at, h, by), p, `all_modules.${at}`, before);
          else if (kind === "combine") {
            const smaller = down(pyramid, by);
            done(pyramid);
            pyramid = smaller;
            h = combined(p, at, smaller, before, combine);
          } else if (kind === "down") h = pyramid = merged(p, at, pyramid, before, by);
          else {
            y = scope(() => {
              const last = norm(p, at, "", before, { silu: true });
              return conv(p, at + 1, "", last, { padding: 1, residual: sum && up(sum, by) });
            });
            done(sum);
          }
          if (h !== before) done(before);
          if (step.push) skips.push(h);
        }
        const out = y as Tensor;
        if (!scaleBySigma) return out;
        const inverse = times.map((t) => 1 / sigmaOf(t));
        return mul(out, tensor([times.length, 1, 1, 1], inverse, out.dtype));
      }),
  };
}

/** The arguments of score_sde's NCSNpp, by the names of its configuration files. */
export interface OfficialNcsnpp {
  nf: number;
  ch_mult: readonly number[];
  num_res_blocks: number;
  attn_resolutions: readonly number[];
  image_size: number;
  num_channels: number;
  conditional?: boolean;
  fir: boolean;
  fir_kernel: readonly number[];
  skip_rescale: boolean;
  resblock_type: string;
  progressive: string;
  progressive_input: string;
  progressive_combine: string;
  embedding_type: string;
  fourier_scale: number;
  scale_by_sigma: boolean;
  centered: boolean;
  sigma_min: number;
  sigma_max: number;
  num_scales: number;
  nonlinearity: string;
}

/** The network that score_sde would build from these arguments. */
export function officialNcsnpp(c: OfficialNcsnpp): Net {
  const one = <const T extends string>(name: keyof OfficialNcsnpp, known: Readonly<Record<string, T>>): T => {
    const found = known[c[name] as string];
    if (found === undefined)
      throw new TypeError(`ncsnpp: ${name} of ${Object.keys(known).join(" or ")} expected, got ${c[name]}`);
    return found;
  };
  one("resblock_type", { biggan: "biggan" });
  one("nonlinearity", { swish: "swish" });
  if (c.conditional === false) throw new TypeError("ncsnpp: only networks that are told the noise level are known");
  return ncsnpp({
    resolution: c.image_size,
    inChannels: c.num_channels,
    channels: c.nf,
    multipliers: c.ch_mult,
    blocks: c.num_res_blocks,
    attention: c.attn_resolutions,
    embedding: one("embedding_type", { fourier: "fourier", positional: "positional" }),
    fourierScale: c.fourier_scale,
    fir: c.fir ? c.fir_kernel : undefined,
    skipRescale: c.skip_rescale,
    progressiveInput: one("progressive_input", { none: "none", input_skip: "skip", residual: "residual" }),
    progressiveOutput: one("progressive", { none: "none", output_skip: "skip" }),
    combine: one("progressive_combine", { sum: "sum", cat: "cat" }),
    scaleBySigma: c.scale_by_sigma,
    centered: c.centered,
    sigmas: { min: c.sigma_min, max: c.sigma_max, count: c.num_scales },
  });
}

const cifar10 = {
  resolution: 32,
  channels: 128,
  multipliers: [1, 2, 2, 2],
  blocks: 4,
  attention: [16],
  fir: [1, 3, 3, 1],
  progressiveInput: "residual",
  sigmas: { min: 0.01, max: 50, count: 1000 },
} as const satisfies NcsnppConfig;
const side256 = (max: number) =>
  ({
    ...cifar10,
    resolution: 256,
    multipliers: [1, 1, 2, 2, 2, 2, 2],
    blocks: 2,
    progressiveInput: "skip",
    progressiveOutput: "skip",
    sigmas: { min: 0.01, max, count: 2000 },
  }) as const satisfies NcsnppConfig;
const vp = { embedding: "positional", scaleBySigma: false, centered: true } as const;

/** The networks that score_sde published: VE unless the name says VP, continuous unless it says discrete. */
export const NCSNPP = {
  cifar10,
  cifar10Deep: { ...cifar10, blocks: 8 },
  cifar10Discrete: { ...cifar10, embedding: "positional" },
  cifar10Vp: { ...cifar10, ...vp },
  cifar10DdpmppVp: { ...cifar10, ...vp, fir: undefined, progressiveInput: "none" },
  bedroom256: side256(378),
  church256: side256(380),
  ffhq256: side256(348),
} as const satisfies Record<string, NcsnppConfig>;
