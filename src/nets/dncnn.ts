/**
 * DnCNN [Zhang et al. 2017]: 3x3 convolutions with ReLU between them, whose result is taken from (KAIR: it is the noise)
 * or added to (deepinv) the picture.
 *   KAIR, "R"     y = x - conv(relu(conv(… relu(conv(x)))))
 *   KAIR, "BR"    the same with batch norm between convolution and ReLU, but for the first and the last
 *   deepinv       y = x + out_conv(relu(conv_list(… relu(in_conv(x)))))
 * Parameters have the names of KAIR's `model.<i>` or of deepinv.
 */
import { conv2d } from "../../kernels/conv2d.ts";
import { relu } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { ShapeError } from "../errors.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { batchNorm } from "./batch_norm.ts";
import { declare } from "./layers.ts";
import type { PictureNet, Specs } from "./net.ts";

export interface DncnnConfig {
  /** Of the picture, before and after. */
  channels?: number;
  width?: number;
  /** How many convolutions. */
  layers?: number;
  form?: "R" | "BR" | "deepinv";
  /** deepinv only: without biases. */
  bias?: boolean;
}

/** The arguments of KAIR's DnCNN (`nc`, `nb`, `act_mode`) or of deepinv's (`nf`, `depth`), by their own names. */
export type OfficialDncnn =
  | { in_nc?: number; out_nc?: number; nc?: number; nb?: number; act_mode?: string }
  | { in_channels: number; out_channels: number; nf?: number; depth?: number; bias?: boolean };

/** The network that KAIR or deepinv would build from these arguments. */
export function officialDncnn(c: OfficialDncnn = {}): PictureNet {
  const same = (from: number, to: number) => {
    if (from !== to) throw new ShapeError(`dncnn: as many channels out as in expected, got ${from} and ${to}`);
    return from;
  };
  if ("in_channels" in c) {
    const { in_channels, out_channels, nf = 64, depth = 20, bias = true } = c;
    return dncnn({ channels: same(in_channels, out_channels), width: nf, layers: depth, form: "deepinv", bias });
  }
  const { in_nc = 1, out_nc = 1, nc = 64, nb = 17, act_mode = "BR" } = c;
  if (act_mode !== "R" && act_mode !== "BR")
    throw new TypeError(`dncnn: act_mode R or BR expected, got ${act_mode}; no released model has another`);
  return dncnn({ channels: same(in_nc, out_nc), width: nc, layers: nb, form: act_mode });
}

export function dncnn({
  channels = 1,
  width = 64,
  layers = 17,
  form = "R",
  bias = true,
}: DncnnConfig = {}): PictureNet {
  if (!(Number.isInteger(layers) && layers >= 2))
    throw new RangeError(`dncnn: at least 2 layers expected, got ${layers}`);
  /** KAIR numbers every convolution, norm and ReLU: conv 0, ReLU 1, then each further layer in turn. */
  const every = form === "BR" ? 3 : 2;
  const nameOf = (i: number): string => {
    if (form !== "deepinv") return `model.${i === 0 ? 0 : 2 + (i - 1) * every}`;
    return i === 0 ? "in_conv" : i === layers - 1 ? "out_conv" : `conv_list.${i - 1}`;
  };
  const stages = Array.from({ length: layers }, (_, i) => ({
    conv: nameOf(i),
    norm: form === "BR" && i > 0 && i < layers - 1 ? `model.${2 + (i - 1) * every + 1}` : undefined,
    into: i === 0 ? channels : width,
    out: i === layers - 1 ? channels : width,
  }));
  const parameters: Specs = {};
  for (const { conv, norm, into, out } of stages) {
    declare.conv(parameters, conv, out, into, 3);
    if (form === "deepinv" && !bias) delete parameters[`${conv}.bias`];
    if (norm) batchNorm.declare(parameters, norm, out);
  }

  return {
    name: "dncnn",
    inChannels: channels,
    outChannels: channels,
    multipleOf: 1,
    parameters,
    buffers: batchNorm.counters(parameters),
    apply: (p, x) =>
      scope(() => {
        const w = (name: string) => p[name] as Tensor;
        let h = x;
        stages.forEach(({ conv, norm }, i) => {
          const before = h;
          h = scope(() => {
            const last = i === layers - 1 && form === "deepinv";
            const y = conv2d(before, w(`${conv}.weight`), {
              padding: 1,
              bias: p[`${conv}.bias`],
              residual: last ? x : undefined,
            });
            if (i === layers - 1) return y;
            return norm ? batchNorm.apply(p, norm, y, 1e-4) : relu(y);
          });
          if (before !== x) before.dispose();
        });
        return form === "deepinv" ? h : lincomb(1, x, -1, h);
      }),
  };
}
