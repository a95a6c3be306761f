/**
 * ControlNet [Zhang 2023] on a frozen ADM U-Net, as CoSIGN's: a second encoder, begun as a copy, that sees a hint too.
 *   hs = encode(base; x)      c = encode(own; x, first block + conv3(hint))
 *   y  = decode(base; h_i + conv1_i(c_i))                 the convolutions are zero at first, and y the frozen network's
 */
import { conv2d } from "../../kernels/conv2d.ts";
import { pixelShuffle, pixelUnshuffle } from "../../kernels/pixel_shuffle.ts";
import { ShapeError } from "../errors.ts";
import type { Flat } from "../tensor/flat.ts";
import { scope } from "../tensor/scope.ts";
import { copyBuffer, type Tensor } from "../tensor/tensor.ts";
import type { AdmUnet } from "./adm_unet.ts";
import { declare } from "./layers.ts";
import { initParams, type Labels, type Module, type Params, type PerSample, type Specs } from "./net.ts";

export interface ControlNet extends Module<[x: Tensor, t: PerSample, hint: Tensor, base: Params, labels?: Labels]> {
  readonly inChannels: number;
  readonly multipleOf: number;
}

/** Of the base's parameters those that the control copies. */
const isCopied = (name: string) => !/^(output_blocks|out)\./.test(name);

/**
 * The control of a network. Its parameters have CoSIGN's names; `base` are the frozen network's. x and hint [N, H, W, C], as
 * pictures; `block`: pixels of a block that the network sees as channels.
 */
export function controlNet(net: AdmUnet, { block = 1 } = {}): ControlNet {
  const parameters: Specs = {};
  for (const [name, spec] of Object.entries(net.parameters)) if (isCopied(name)) parameters[name] = spec;
  const { widths, inChannels } = net;
  const middle = widths.length - 1;
  const zero = (i: number) => (i === middle ? "middle_block_out.0" : `zero_convs.${i}.0`);
  declare.conv(parameters, "input_hint_block.0", widths[0] as number, inChannels, 3, { zero: true });
  widths.forEach((C, i) => {
    declare.conv(parameters, zero(i), C, C, 1, { zero: true });
  });
  const channels = inChannels / block ** 2;
  return {
    name: "controlNet",
    inChannels: channels,
    multipleOf: net.multipleOf * block,
    parameters,
    apply: (own, x, t, hint, base, labels) =>
      scope(() => {
        if (hint.shape.join() !== x.shape.join())
          throw new ShapeError(`controlNet: a hint of the picture's shape [${x.shape}] expected, got [${hint.shape}]`);
        const [seen, told] = block === 1 ? [x, hint] : [pixelUnshuffle(x, block), pixelUnshuffle(hint, block)];
        const N = x.shape[0] as number;
        const conv = (h: Tensor, name: string, more: object) =>
          conv2d(h, own[`${name}.weight`] as Tensor, { bias: own[`${name}.bias`] as Tensor, ...more });
        const emb = net.embed(base, t, N, labels);
        const joined = scope(() => {
          const first = conv(told, "input_hint_block.0", { padding: 1 });
          const control = net.encode(own, seen, net.embed(own, t, N, labels), { ...labels, hint: first });
          const hs = net.encode(base, seen, emb, labels);
          return control.map((c, i) => conv(c, zero(i), { residual: hs[i] as Tensor }));
        });
        const y = net.decode(base, joined, emb, labels);
        return block === 1 ? y : pixelShuffle(y, block);
      }),
  };
}

/** The first values of a control: the base's own, and zeros. */
export function controlStart(control: ControlNet, base: Params, rng: { number(): number }): Flat {
  const made = initParams(control, rng);
  for (const [name, t] of Object.entries(base)) if (isCopied(name)) copyBuffer(t, made.tree[name] as Tensor);
  return made;
}
