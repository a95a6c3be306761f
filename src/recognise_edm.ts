/** EDM's SongUNet and DhariwalUNet from their names, which hold the side of the pictures. */
import { WeightsError } from "./errors.ts";
import { at, axis, capture, count, type Family, type Guess, guess, has, type Shapes } from "./recognise_keys.ts";

export const edmClass = (precond: string): string => `edm training.networks.${precond}`;

export const edm: Family = {
  title: "EDM (SongUNet or DhariwalUNet)",
  marks: [
    /^model\.map_layer0\.weight$/,
    /^model\.enc\.\d+x\d+_conv\.weight$/,
    /^model\.dec\.\d+x\d+_in0\.qkv\.weight$/,
  ],
  looks: /^(model\.)?(map_\w+|enc\.\d+x\d+_|dec\.\d+x\d+_|out_(norm|conv))/,
  adds: "model.",
  infer,
};

function infer(shapes: Shapes): Guess {
  const dhariwal = shapes["model.out_conv.weight"] !== undefined;
  const sides = [
    ...new Set(
      Object.keys(shapes).flatMap((name) => {
        const side = /^model\.enc\.(\d+)x\d+_/.exec(name)?.[1];
        return side ? [Number(side)] : [];
      }),
    ),
  ].sort((a, b) => b - a);
  const side = sides[0] as number;
  const stem = `model.enc.${side}x${side}_conv.weight`;
  const embedded = axis(shapes, "model.map_layer0.weight", 1);
  const channels = dhariwal ? embedded : axis(shapes, stem, 0);
  const name = (s: number, part: string) => `model.enc.${s}x${s}_${part}`;
  const fourier = shapes["model.map_noise.freqs"] !== undefined;
  const encoder = has(shapes, /^model\.enc\..*_aux_residual\./)
    ? "residual"
    : has(shapes, /^model\.enc\..*_aux_skip\./)
      ? "skip"
      : "standard";
  const decoder = has(shapes, new RegExp(`^model\\.dec\\.(?!${side}x)\\d+x\\d+_aux_conv\\.`)) ? "skip" : "standard";
  const labels = shapes["model.map_label.weight"]?.[1];
  const augment = shapes["model.map_augment.weight"]?.[1];
  const filter = capture(shapes, /^(model\.enc\..*_(?:down\.conv0|aux_residual)\.resample_filter)$/);
  const taps = filter === undefined ? undefined : at(shapes, filter).at(-1);
  const resample = (taps ?? (encoder === "residual" ? 4 : 2)) === 4 ? [1, 3, 3, 1] : [1, 1];
  const { precond, why } = precondOf(shapes, { dhariwal, fourier, augment, channels: axis(shapes, stem, 1) });

  const attended = sides.filter((s) => has(shapes, new RegExp(`^model\\.enc\\.${s}x${s}_block\\d+\\.qkv\\.`)));
  const blocks = count(shapes, name(side, "block"));
  if (!(blocks > 0)) throw new WeightsError(`expected tensors ${name(side, "block0.*")}, there are none`);
  const widths = Object.keys(shapes).flatMap((key) => (/\.qkv\.weight$/.test(key) ? [axis(shapes, key, 1)] : []));
  const open: Record<string, string> = {};
  if (dhariwal && widths.some((C) => C < 64))
    open.channels_per_head = `no tensor shows it; 64, as published, leaves no head for ${Math.min(...widths)} channels`;
  return guess(
    edmClass(precond),
    {
      model_type: dhariwal ? "DhariwalUNet" : "SongUNet",
      img_channels: axis(shapes, stem, 1),
      img_resolution: side,
      ...(labels === undefined ? {} : { label_dim: labels }),
      ...(augment === undefined ? {} : { augment_dim: augment }),
      model_channels: channels,
      channel_mult: sides.map((s) => axis(shapes, name(s, "block0.conv1.weight"), 0) / channels),
      num_blocks: blocks,
      attn_resolutions: attended,
      dropout: 0,
      channel_mult_emb: axis(shapes, "model.map_layer0.weight", 0) / channels,
      ...(dhariwal
        ? { channels_per_head: 64 }
        : {
            embedding_type: fourier ? "fourier" : "positional",
            channel_mult_noise: embedded / channels,
            encoder_type: encoder,
            decoder_type: decoder,
            resample_filter: resample,
          }),
      precond,
    },
    {
      assumed: {
        precond: why,
        ...(dhariwal && !open.channels_per_head ? { channels_per_head: "64, which the official code fixes" } : {}),
        ...(!dhariwal && filter === undefined ? { resample_filter: `as published with a ${encoder} encoder` } : {}),
      },
      open,
    },
  );
}

/** The wrapper has no parameters: its name follows from what was trained with it. */
function precondOf(
  shapes: Shapes,
  net: { dhariwal: boolean; fourier: boolean; augment: number | undefined; channels: number },
) {
  if (shapes.u) return { precond: "iDDPMPrecond", why: "the buffer u is its table" };
  if (net.dhariwal && axis(shapes, "model.out_conv.weight", 0) === 2 * net.channels)
    return { precond: "iDDPMPrecond", why: "it learnt its variance, too" };
  if (net.dhariwal || net.augment !== undefined)
    return { precond: "EDMPrecond", why: "as the published networks of this kind" };
  return net.fourier
    ? { precond: "VEPrecond", why: "no augmentation input: as baseline-…-ve" }
    : { precond: "VPPrecond", why: "no augmentation input: as baseline-…-vp" };
}
