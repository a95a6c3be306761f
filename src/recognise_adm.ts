/** ADM from its names: everything but the heads, the order of qkv and the picture's side stands in the tensors. */
import { axis, type Config, count, type Family, type Guess, guess, has, type Shapes } from "./recognise_keys.ts";

export const ADM = "guided_diffusion.unet.UNetModel";
export const ADM_LORA = "base network with UD2M utils.lora_parametrisation";

const LORA = /\.parametrizations\.weight\.(original|0\.lora_[AB])$/;

export const adm: Family = {
  title: "ADM U-Net (guided-diffusion)",
  marks: [
    /^time_embed\.0\.weight$/,
    /^input_blocks\.0\.0\.weight$/,
    /^middle_block\.1\.qkv\./,
    /^output_blocks\.0\.0\.in_layers\.2\.weight$/,
    /^out\.2\.weight$/,
  ],
  looks: /^(time_embed|label_emb|input_blocks|middle_block|output_blocks|out)\.\d?/,
  infer(given): Guess {
    const lora = has(given, LORA);
    const shapes = lora ? withoutLora(given) : given;
    const base = inferAdm(shapes);
    if (!lora) return base;
    const factor = Object.keys(given).find((name) => name.endsWith(".lora_A")) as string;
    const module = factor.split(".parametrizations")[0] as string;
    const targets = ["qkv", "proj_out"].filter((t) => has(given, new RegExp(`\\.${t}\\.parametrizations`)));
    return {
      ...base,
      architecture: ADM_LORA,
      config: { ...base.config, base: ADM, rank: axis(given, factor, 1), alpha: 1.5, targets },
      assumed: { ...base.assumed, alpha: "1.5, as UD2M trains" },
      notes: [...base.notes, `adapters of rank ${axis(given, factor, 1)} on ${module} and its like`],
    };
  },
};

const withoutLora = (shapes: Shapes): Shapes =>
  Object.fromEntries(
    Object.entries(shapes)
      .filter(([name]) => !/\.lora_[AB]$/.test(name))
      .map(([name, shape]) => [name.replace(".parametrizations.weight.original", ".weight"), shape]),
  );

function inferAdm(shapes: Shapes): Guess {
  const channels = axis(shapes, "time_embed.0.weight", 1);
  const outputs = count(shapes, "output_blocks.");
  const numbers = Array.from({ length: outputs }, (_, i) => i);
  // an output block that ends a level resamples, by a residual block or by a convolution
  const updown = has(shapes, /^output_blocks\.\d+\.[12]\.in_layers\./);
  const ups = numbers.filter((i) => has(shapes, new RegExp(`^output_blocks\\.${i}\\.[12]\\.(in_layers|conv)\\.`)));
  const levels = ups.length + 1;
  const perLevel = Math.max(1, Math.round(outputs / levels));
  const levelOf = (i: number) => Math.max(0, levels - 1 - Math.floor(i / perLevel));
  const width = (i: number) => axis(shapes, `output_blocks.${i}.0.in_layers.2.weight`, 0);
  const multipliers = Array.from({ length: levels }, (_, level) => {
    const first = numbers.find((i) => levelOf(i) === level && shapes[`output_blocks.${i}.0.in_layers.2.weight`]);
    return first === undefined ? 1 : width(first) / channels;
  });
  const attends = Array.from({ length: levels }, (_, level) => level).filter((level) =>
    numbers.some((i) => levelOf(i) === level && shapes[`output_blocks.${i}.1.qkv.weight`]),
  );
  const scaleShift =
    axis(shapes, "middle_block.0.emb_layers.1.weight", 0) === 2 * axis(shapes, "middle_block.0.in_layers.2.weight", 0);
  const classes = shapes["label_emb.weight"]?.[0];
  const side = 8 * 2 ** (levels - 1);
  const widths = [
    ...attends.map((level) => channels * (multipliers[level] as number)),
    axis(shapes, "middle_block.1.qkv.weight", 1),
  ];
  const { heads, assumed, open } = headsOf({ channels, multipliers, blocks: perLevel - 1, widths });
  return guess(
    ADM,
    {
      image_size: side,
      in_channels: axis(shapes, "input_blocks.0.0.weight", 1),
      model_channels: channels,
      out_channels: axis(shapes, "out.2.weight", 0),
      num_res_blocks: perLevel - 1,
      attention_resolutions: attends.map((level) => 2 ** level),
      dropout: 0,
      channel_mult: multipliers,
      ...heads,
      use_scale_shift_norm: scaleShift,
      resblock_updown: updown,
      ...(classes === undefined ? {} : { num_classes: classes }),
    },
    {
      assumed: { ...assumed, image_size: `${side}: the deepest of ${levels} levels is 8 pixels wide, as published` },
      open,
    },
  );
}

interface Sizes {
  channels: number;
  multipliers: readonly number[];
  blocks: number;
  /** Channels wherever there is attention. */
  widths: readonly number[];
}

type Found<K extends string> = Pick<Guess, "assumed" | "open"> & Readonly<Record<K, Config>>;

/** Heads and the order of qkv leave no trace in the shapes: what the released files have, or open. */
function headsOf({ channels, multipliers, blocks, widths }: Sizes): Found<"heads"> {
  const sizes = `${channels} x ${multipliers.join()} x ${blocks}`;
  const as = (file: string) => `as ${file} has it`;
  const legacy = { num_heads: 4, num_head_channels: 64, use_new_attention_order: false };
  const both = (why: string) => ({ num_head_channels: why, use_new_attention_order: why });
  switch (sizes) {
    case "128 x 1,1,2,2,4,4 x 1":
      return { heads: legacy, assumed: both(as("ffhq_10m.pt")), open: {} };
    case "256 x 1,1,2,2,4,4 x 2":
      return { heads: legacy, assumed: both(as("256x256_diffusion_uncond.pt")), open: {} };
    case "192 x 1,2,3,4 x 3":
      return { heads: { ...legacy, use_new_attention_order: true }, assumed: both(as("64x64_diffusion.pt")), open: {} };
    case "256 x 1,1,2,3,4 x 2":
      return {
        heads: { ...legacy, num_head_channels: -1 },
        assumed: { num_heads: as("128x128_diffusion.pt"), use_new_attention_order: as("128x128_diffusion.pt") },
        open: {},
      };
  }
  const why = `no tensor shows it, and no published model has these sizes (attention on ${widths.join(", ")} channels)`;
  return {
    heads: { num_heads: 1, num_head_channels: -1, use_new_attention_order: false },
    assumed: {},
    open: { num_head_channels: why, use_new_attention_order: why },
  };
}
