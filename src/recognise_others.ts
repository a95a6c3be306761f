/** The DDPM of pesser, and the networks that are no diffusion models: their tensors show all but a few options. */
import { axis, capture, count, type Family, guess, has } from "./recognise_keys.ts";

export const PESSER = "pytorch_diffusion.model.Model";
export const DRUNET = "DPIR models.UNetRes";
export const DNCNN = "DPIR models.DnCNN";
export const DNCNN_DEEPINV = "deepinv.models.DnCNN";
export const DISCRIMINATOR = "UD2M Conditioned_GAN.models.discriminator.DiscriminatorModel";
export const NORM_UNET = "fastMRI models.varnet.NormUnet";
export const VARNET = "fastMRI models.varnet.VarNet";
export const RAM = "ram.RAM";
export const LPIPS = "lpips.LPIPS";
export const INCEPTION = "pytorch_fid.inception.FIDInceptionV3";
export const TORCHVISION = "torchvision.models";

const pesser: Family = {
  title: "DDPM U-Net (pesser/pytorch_diffusion)",
  marks: [/^temb\.dense\.0\.weight$/, /^conv_in\.weight$/, /^mid\.attn_1\.q\.weight$/, /^conv_out\.weight$/],
  looks: /^(temb\.dense|conv_in|down\.\d+|mid\.(block|attn)_|up\.\d+|norm_out|conv_out)\b/,
  infer(shapes) {
    const ch = axis(shapes, "conv_in.weight", 0);
    const levels = count(shapes, "down.");
    const all = Array.from({ length: levels }, (_, level) => level);
    const attends = all.filter((level) => has(shapes, new RegExp(`^down\\.${level}\\.attn\\.`)));
    const side = 16 * 2 ** (attends[0] ?? Math.max(0, levels - 3));
    return guess(
      PESSER,
      {
        resolution: side,
        in_channels: axis(shapes, "conv_in.weight", 1),
        out_ch: axis(shapes, "conv_out.weight", 0),
        ch,
        ch_mult: all.map((level) => axis(shapes, `down.${level}.block.0.conv1.weight`, 0) / ch),
        num_res_blocks: count(shapes, "down.0.block."),
        attn_resolutions: attends.map((level) => side / 2 ** level),
        dropout: 0,
      },
      {
        assumed: {
          resolution: `${side}: attention begins where the picture is 16 wide, as published; its level is certain`,
        },
      },
    );
  },
};

const drunet: Family = {
  title: "DRUNet",
  marks: [/^m_head\.weight$/, /^m_body\.(\d+\.)?res\.0\.weight$/, /^m_tail\.weight$/],
  looks: /^m_(head|down\d|body|up\d|tail)\./,
  infer(shapes) {
    const nb = count(shapes, "m_body.") || 1; // with one block the body is not numbered
    const down = (i: number) => axis(shapes, `m_down${i}.${nb}.weight`, 0);
    return guess(DRUNET, {
      in_nc: axis(shapes, "m_head.weight", 1),
      out_nc: axis(shapes, "m_tail.weight", 0),
      nc: [axis(shapes, "m_head.weight", 0), down(1), down(2), down(3)],
      nb,
      act_mode: "R",
      downsample_mode: "strideconv",
      upsample_mode: "convtranspose",
    });
  },
};

const dncnn: Family = {
  title: "DnCNN",
  marks: [/^model\.0\.weight$/, /^model\.2\.weight$/, /^model\.\d+\.bias$/],
  looks: /^model\.\d+\.(weight|bias|running_\w+|num_batches_tracked)$/,
  infer(shapes) {
    const norms = has(shapes, /^model\.\d+\.running_mean$/);
    const convs = Object.entries(shapes).filter(([, shape]) => shape.length === 4);
    return guess(DNCNN, {
      in_nc: axis(shapes, "model.0.weight", 1),
      out_nc: convs.at(-1)?.[1][0],
      nc: axis(shapes, "model.0.weight", 0),
      nb: convs.length,
      act_mode: norms ? "BR" : "R",
    });
  },
};

const dncnnDeepinv: Family = {
  title: "DnCNN (deepinv)",
  marks: [/^in_conv\.weight$/, /^conv_list\.0\.weight$/, /^out_conv\.weight$/],
  looks: /^(in_conv|conv_list\.\d+|out_conv)\.(weight|bias)$/,
  infer: (shapes) =>
    guess(DNCNN_DEEPINV, {
      in_channels: axis(shapes, "in_conv.weight", 1),
      out_channels: axis(shapes, "out_conv.weight", 0),
      depth: count(shapes, "conv_list.") + 2,
      bias: has(shapes, /^in_conv\.bias$/),
      nf: axis(shapes, "in_conv.weight", 0),
    }),
};

const discriminator: Family = {
  title: "discriminator of UD2M",
  marks: [/^initial_layers\.0\.weight$/, /^encoder_layers\.0\.downsample\.1\.weight$/, /^dense_layer\.1\.weight$/],
  looks: /^(initial_layers|encoder_layers|dense_layer)\.\d/,
  infer(shapes) {
    const layers = count(shapes, "encoder_layers.");
    const last = axis(shapes, `encoder_layers.${layers - 1}.downsample.1.weight`, 0);
    return guess(DISCRIMINATOR, {
      im_size: Math.sqrt(axis(shapes, "dense_layer.1.weight", 1) / last) * 2 ** layers,
      in_channels: axis(shapes, "initial_layers.0.weight", 1) / 2,
      out_channels: axis(shapes, "dense_layer.1.weight", 0),
      num_layers: layers,
    });
  },
};

const UNET = "unet.down_sample_layers.";

const normUnet: Family = {
  title: "NormUnet of E2E-VarNet",
  marks: [/^unet\.down_sample_layers\.0\.layers\.0\.weight$/, /^unet\.conv\.layers\.4\.weight$/],
  looks: /^unet\.(down_sample_layers|conv|up_conv|up_transpose_conv)\./,
  infer: (shapes) =>
    guess(NORM_UNET, { chans: axis(shapes, `${UNET}0.layers.0.weight`, 0), num_pools: count(shapes, UNET) }),
};

const varnet: Family = {
  title: "E2E-VarNet",
  marks: [/^sens_net\.norm_unet\.unet\./, /^cascades\.0\.dc_weight$/, /^cascades\.0\.model\.unet\./],
  looks: /^(sens_net\.norm_unet\.unet|cascades\.\d+\.(model|dc_weight))\b/,
  infer: (shapes) =>
    guess(VARNET, {
      num_cascades: count(shapes, "cascades."),
      sens_chans: axis(shapes, `sens_net.norm_unet.${UNET}0.layers.0.weight`, 0),
      sens_pools: count(shapes, `sens_net.norm_unet.${UNET}`),
      chans: axis(shapes, `cascades.0.model.${UNET}0.layers.0.weight`, 0),
      pools: count(shapes, `cascades.0.model.${UNET}`),
    }),
};

const ram: Family = {
  title: "RAM",
  marks: [/^fact_realign$/, /^m_head\.conv\d\.weight$/, /^m_body\.enc\.0\.PhysicsBlock\./],
  looks: /^(fact_realign$|m_(head|tail)\.conv\d|m_(down\d|body|up\d)\.enc\.|(pool|up)\d\.weight$)/,
  infer: (shapes) =>
    guess(RAM, {
      in_channels: Array.from({ length: count(shapes, "m_tail.conv") }, (_, i) =>
        axis(shapes, `m_tail.conv${i}.weight`, 0),
      ),
      nc: [axis(shapes, "m_head.conv0.weight", 0), ...[1, 2, 3].map((i) => axis(shapes, `pool${i}.weight`, 0))],
      nb: count(shapes, "m_body.enc."),
    }),
};

const lpips: Family = {
  title: "LPIPS with its trunk",
  marks: [/^lin0\.model\.1\.weight$/, /^net\.slice1\.0\.weight$/],
  looks: /^(scaling_layer\.|net\.slice\d|lins?\.?\d\.model)/,
  infer: (shapes) =>
    guess(LPIPS, {
      net: axis(shapes, "net.slice1.0.weight", 2) === 11 ? "alex" : has(shapes, /squeeze/) ? "squeeze" : "vgg",
      version: "0.1",
    }),
};

const lpipsHeads: Family = {
  title: "heads of LPIPS, without a trunk",
  marks: [/^lin0\.model\.1\.weight$/, /^lin4\.model\.1\.weight$/],
  looks: /^lin\d\.model\.1\.weight$/,
  infer(shapes) {
    const width = axis(shapes, "lin1.model.1.weight", 1);
    return guess(LPIPS, {
      net: width === 192 ? "alex" : has(shapes, /^lin6\./) ? "squeeze" : "vgg",
      version: "0.1",
      trunk: false,
    });
  },
};

const trunk: Family = {
  title: "a classifier of torchvision",
  marks: [/^features\.0\.weight$/, /^(features\.28\.weight|features\.10\.weight|features\.3\.squeeze\.weight)$/],
  looks: /^(features|classifier)\.\d+\./,
  infer(shapes) {
    const kind = has(shapes, /\.squeeze\./)
      ? "squeezenet1_1"
      : axis(shapes, "features.0.weight", 2) === 11
        ? "alexnet"
        : "vgg16";
    return guess(`${TORCHVISION}.${kind}`, {});
  },
};

const inception: Family = {
  title: "Inception-v3 for FID",
  marks: [/^Conv2d_1a_3x3\.conv\.weight$/, /^Mixed_7c\.branch1x1\.conv\.weight$/],
  looks: /^(Conv2d_\d\w_|Mixed_\d\w\.|AuxLogits\.|fc\.)/,
  infer: (shapes) =>
    guess(INCEPTION, { classes: Number(capture(shapes, /^fc\.weight$/) ?? shapes["fc.weight"]?.[0] ?? 1008) }),
};

/** In the order in which they are asked: a whole before its part. */
export const others: readonly Family[] = [
  pesser,
  ram,
  drunet,
  dncnn,
  dncnnDeepinv,
  discriminator,
  varnet,
  normUnet,
  lpips,
  lpipsHeads,
  trunk,
  inception,
];
