/**
 * DRUNet [Zhang et al. 2021], the denoiser of DPIR, layer for layer as its UNetRes, parameters under its names:
 *   x1 = head(x)     x2 = down1(x1)   x3 = down2(x2)   x4 = down3(x3)        down: ResBlocks, then 2x2 stride 2
 *   h  = up3(body(x4) + x4)   h = up2(h + x3)   h = up1(h + x2)              up: 2x2 transposed, then ResBlocks
 *   y  = tail(h + x1)                              ResBlock: x + conv(relu(conv(x))); no bias and no norm anywhere
 * x is the picture in [0, 1] and, as its last channel, the noise level on the same scale; y is the denoised picture.
 */
import { add } from "../../kernels/broadcast.ts";
import { conv2d } from "../../kernels/conv2d.ts";
import { convTranspose2d } from "../../kernels/conv2d_vjp_x.ts";
import { relu } from "../../kernels/elementwise.ts";
import { ShapeError } from "../errors.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Params, PictureNet, Specs } from "./net.ts";

export interface DrunetConfig {
  /** Of the picture and the noise level: 4 for colour, 2 for grey. */
  inChannels?: number;
  outChannels?: number;
  widths?: readonly [number, number, number, number];
  /** Residual blocks per level. */
  blocks?: number;
}

/** The arguments of DPIR's UNetRes, by its own names. */
export interface OfficialDrunet {
  in_nc?: number;
  out_nc?: number;
  nc?: readonly number[];
  nb?: number;
  act_mode?: string;
  downsample_mode?: string;
  upsample_mode?: string;
}

/** The network that DPIR would build from these arguments. */
export function officialDrunet(c: OfficialDrunet = {}): PictureNet {
  const { in_nc = 1, out_nc = 1, nc = [64, 128, 256, 512], nb = 4 } = c; // its defaults, which no released file has
  const modes = [c.act_mode ?? "R", c.downsample_mode ?? "strideconv", c.upsample_mode ?? "convtranspose"];
  if (`${modes}` !== "R,strideconv,convtranspose" || nc.length !== 4)
    throw new ShapeError(
      `drunet: 4 widths and modes R, strideconv, convtranspose expected, got ${nc.length} and ${modes.join(", ")}; no released model has others`,
    );
  return drunet({
    inChannels: in_nc,
    outChannels: out_nc,
    widths: [...nc] as [number, number, number, number],
    blocks: nb,
  });
}

export function drunet({
  inChannels = 4,
  outChannels = inChannels - 1,
  widths = [64, 128, 256, 512],
  blocks = 4,
}: DrunetConfig = {}): PictureNet {
  const parameters: Specs = {};
  const matrix = (name: string, out: number, into: number, k: number) => {
    parameters[`${name}.weight`] = { shape: [out, into, k, k], init: { fanIn: into * k * k } };
  };
  /** Names of the residual blocks at a level; PyTorch's Sequential numbers them, but DPIR drops the number of one alone. */
  const residual = (at: string, C: number, from = 0) => {
    const names = Array.from({ length: blocks }, (_, i) =>
      blocks === 1 && at === "m_body" ? at : `${at}.${from + i}`,
    );
    for (const name of names) for (const i of [0, 2]) matrix(`${name}.res.${i}`, C, C, 3);
    return names;
  };
  const [c1, , , c4] = widths;
  matrix("m_head", c1, inChannels, 3);
  const levels = [1, 2, 3].map((i) => ({ i, wide: widths[i] as number, narrow: widths[i - 1] as number }));
  const downs = levels.map(({ i, wide, narrow }) => {
    const names = residual(`m_down${i}`, narrow);
    matrix(`m_down${i}.${blocks}`, wide, narrow, 2);
    return { names, conv: `m_down${i}.${blocks}.weight` };
  });
  const body = residual("m_body", c4);
  const ups = [...levels].reverse().map(({ i, wide, narrow }) => {
    matrix(`m_up${i}.0`, wide, narrow, 2); // transposed: [in, out, 2, 2]
    return { names: residual(`m_up${i}`, narrow, 1), conv: `m_up${i}.0.weight` };
  });
  matrix("m_tail", outChannels, c1, 3);

  const through = (p: Params, names: readonly string[], x: Tensor): Tensor => {
    let h = x;
    for (const name of names) {
      const before = h;
      const conv = (t: Tensor, i: number, more: object = {}) =>
        conv2d(t, p[`${name}.res.${i}.weight`] as Tensor, { padding: 1, ...more });
      h = scope(() => conv(relu(conv(before, 0)), 2, { residual: before }));
      if (before !== x) before.dispose();
    }
    return h;
  };

  return {
    name: "drunet",
    inChannels,
    outChannels,
    multipleOf: 8,
    parameters,
    apply: (p, x) =>
      scope(() => {
        const skips = [conv2d(x, p["m_head.weight"] as Tensor, { padding: 1 })];
        let h = skips[0] as Tensor;
        for (const { names, conv } of downs) {
          const before = h;
          h = scope(() => conv2d(through(p, names, before), p[conv] as Tensor, { stride: 2 }));
          skips.push(h);
        }
        h = through(p, body, h);
        for (const { names, conv } of ups) {
          const [before, skip] = [h, skips.pop() as Tensor];
          h = scope(() => through(p, names, convTranspose2d(add(before, skip), p[conv] as Tensor, { stride: 2 })));
          before.dispose();
          skip.dispose();
        }
        return conv2d(add(h, skips[0] as Tensor), p["m_tail.weight"] as Tensor, { padding: 1 });
      }),
  };
}
