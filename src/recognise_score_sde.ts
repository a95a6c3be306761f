/** NCSN++ and DDPM++ from their names: `all_modules` counts modules in the order in which they were made. */
import { WeightsError } from "./errors.ts";
import { axis, type Config, count, type Family, type Guess, guess, type Shapes } from "./recognise_keys.ts";

export const NCSNPP = "score_sde_pytorch models.ncsnpp.NCSNpp";

type Kind = "fourier" | "linear" | "conv" | "norm" | "res" | "resample" | "attention" | "down" | "combine";

export const scoreSde: Family = {
  title: "NCSN++ or DDPM++ (score_sde)",
  marks: [
    /^all_modules\.0\.(W|weight)$/,
    /^all_modules\.[23]\.weight$/,
    /^all_modules\.\d+\.GroupNorm_0\.weight$/,
    /^all_modules\.\d+\.NIN_3\.W$/,
  ],
  looks: /^(sigmas$|all_modules\.\d+\.)/,
  infer,
};

function infer(shapes: Shapes): Guess {
  const module = (i: number) => `all_modules.${i}`;
  const fourier = shapes["all_modules.0.W"] !== undefined;
  const kinds = Array.from({ length: count(shapes, "all_modules.") }, (_, i) => kindOf(shapes, module(i)));
  const stem = kinds.indexOf("conv");
  const nf = fourier ? axis(shapes, "all_modules.0.W", 0) : axis(shapes, "all_modules.0.weight", 1);
  const out = (i: number) => axis(shapes, `${module(i)}.Conv_0.weight`, 0);

  const resamples = kinds.filter((kind) => kind === "resample").length;
  const levels = Math.floor(resamples / 2) + 1;
  // the encoder's levels: blocks, each with its attention or none, up to the block that halves the side
  const widths: number[] = [];
  const attends: boolean[] = [];
  let blocks = 0;
  let i = stem + 1;
  const total = kinds.filter((kind) => kind === "res").length; // n L + 2 + (n + 1) L
  const perLevel = Math.round((total - 2 - levels) / (2 * levels));
  for (let level = 0; level < levels; level++) {
    let n = 0;
    let attention = false;
    for (; i < kinds.length && kinds[i] !== "resample" && n < perLevel; i++) {
      if (kinds[i] !== "res") continue;
      widths[level] = out(i);
      n++;
      if (kinds[i + 1] === "attention") attention = true;
    }
    attends.push(attention);
    if (level === 0) blocks = n;
    if (level < levels - 1) while (i < kinds.length && kinds[i] !== "resample") i++;
    while (kinds[i] === "resample" || kinds[i] === "combine" || kinds[i] === "down") i++;
  }
  if (widths.length !== levels || !(blocks > 0))
    throw new WeightsError(`expected ${levels} levels of residual blocks after the first convolution`);

  const combine = kinds.indexOf("combine");
  const progressiveInput = combine >= 0 ? "input_skip" : kinds.includes("down") ? "residual" : "none";
  const cat =
    combine >= 0 &&
    shapes[`${module(combine + 1)}.Conv_0.weight`]?.[1] === 2 * axis(shapes, `${module(combine)}.Conv_0.weight`, 0);
  const progressive = kinds.filter((kind) => kind === "norm").length > 1 ? "output_skip" : "none";
  const levelsWithAttention = attends.flatMap((a, level) => (a ? [level] : []));
  const first = levelsWithAttention[0] ?? Math.max(0, levels - 3);
  const side = 16 * 2 ** first;
  const { process, assumed, open } = processOf({ fourier, progressiveInput, shapes });
  return guess(
    NCSNPP,
    {
      nf,
      ch_mult: widths.map((w) => w / nf),
      num_res_blocks: blocks,
      attn_resolutions: levelsWithAttention.map((level) => side / 2 ** level),
      image_size: side,
      num_channels: axis(shapes, `${module(stem)}.weight`, 1),
      dropout: 0,
      resamp_with_conv: true,
      conditional: true,
      fir_kernel: [1, 3, 3, 1],
      skip_rescale: true,
      resblock_type: "biggan",
      progressive,
      progressive_input: progressiveInput,
      progressive_combine: cat ? "cat" : "sum",
      embedding_type: fourier ? "fourier" : "positional",
      fourier_scale: 16,
      init_scale: 0,
      nonlinearity: "swish",
      ...process,
    },
    {
      assumed: {
        image_size: `${side}: attention begins where the picture is 16 wide, as published; its level is certain`,
        skip_rescale: "as all published",
        fir_kernel: "as all published",
        ...assumed,
      },
      open,
    },
  );
}

/** Which module it is, by what it holds. A residual block of equal widths with a 1x1 shortcut is one that resamples. */
function kindOf(shapes: Shapes, at: string): Kind {
  const of = (name: string) => shapes[`${at}.${name}`];
  const conv = of("Conv_0.weight");
  if (conv && of("GroupNorm_0.weight")) {
    if (of("NIN_0.W")) throw new WeightsError(`${at} is a residual block of type "ddpm"; only "biggan" was released`);
    return of("Conv_2.weight") && conv[0] === conv[1] ? "resample" : "res";
  }
  if (conv) return "combine";
  if (of("Conv2d_0.weight")) return "down";
  if (of("NIN_3.W")) return "attention";
  if (of("W")) return "fourier";
  const rank = of("weight")?.length;
  if (rank === 4) return "conv";
  if (rank === 2) return "linear";
  if (rank === 1) return "norm";
  throw new WeightsError(`${at}: expected a module of NCSN++, got one of none of its kinds`);
}

/** Training's half of the configuration: it follows from the embedding, except where two processes share one network. */
function processOf({
  fourier,
  progressiveInput,
  shapes,
}: {
  fourier: boolean;
  progressiveInput: string;
  shapes: Shapes;
}): Pick<Guess, "assumed" | "open"> & { process: Config } {
  const num_scales = shapes.sigmas?.[0] ?? 1000;
  const range = { sigma_min: 0.01, sigma_max: num_scales === 2000 ? 348 : 50, num_scales };
  const ve = { scale_by_sigma: true, centered: false, continuous: true };
  const vp = { scale_by_sigma: false, centered: true, continuous: true };
  const fir = progressiveInput !== "none";
  const firWhy = fir ? "resampled by FIR, as all with a progressive input" : "2x2 means, as all without";
  if (fourier) {
    const why = "Fourier embedding of ln sigma: variance exploding, continuous";
    return {
      process: { fir, ...ve, ...range },
      assumed: {
        fir: firWhy,
        scale_by_sigma: why,
        centered: why,
        continuous: why,
        sigma_max: "348 as FFHQ and 50 as CIFAR-10, where the file does not say",
      },
      open: {},
    };
  }
  if (!fir) {
    const why = "positional embedding, no progressive input: DDPM++, variance preserving";
    return {
      process: { fir, ...vp, ...range },
      assumed: { fir: firWhy, scale_by_sigma: why, centered: why, continuous: why },
      open: {},
    };
  }
  const why = "positional embedding with a residual input: NCSN++ of the VP process, or of the discrete VE process";
  return {
    process: { fir, ...vp, ...range },
    assumed: { fir: firWhy },
    open: { scale_by_sigma: why, centered: why, continuous: why },
  };
}
