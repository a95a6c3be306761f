/**
 * The convolutions of SqueezeNet 1.1 [Iandola et al. 2016] under torchvision's names, with the seven taps of LPIPS:
 *   relu(conv 3x3, stride 2), max, 2 fires, max, 2 fires, max, 4 fires                    max: 3x3, stride 2, ceil
 *   fire(x) = [relu(conv 1x1 (s)), relu(conv 3x3 (s))],  s = relu(conv 1x1 (x))
 */
import { concat } from "../../kernels/concat.ts";
import { conv2d } from "../../kernels/conv2d.ts";
import { relu } from "../../kernels/elementwise.ts";
import { maxPool } from "../../kernels/max_pool.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { declare } from "./layers.ts";
import type { Params, Specs } from "./net.ts";
import { convRelu, type Stage, scaled, type Trunk, through } from "./trunk.ts";

/** Channels squeezed to, and of each half expanded to. */
const FIRES = [
  { index: 3, squeeze: 16, expand: 64 },
  { index: 4, squeeze: 16, expand: 64, tap: true },
  { index: 6, squeeze: 32, expand: 128 },
  { index: 7, squeeze: 32, expand: 128, tap: true },
  { index: 9, squeeze: 48, expand: 192, tap: true },
  { index: 10, squeeze: 48, expand: 192, tap: true },
  { index: 11, squeeze: 64, expand: 256, tap: true },
  { index: 12, squeeze: 64, expand: 256, tap: true },
];

function fire(p: Params, name: string, x: Tensor): Tensor {
  const s = convRelu(p, `${name}.squeeze`, x, {});
  const expand = (part: string, padding: number) =>
    conv2d(s, p[`${name}.${part}.weight`] as Tensor, { bias: p[`${name}.${part}.bias`], padding });
  return relu(concat([expand("expand1x1", 0), expand("expand3x3", 1)]));
}

/** x [N, H, W, 3], normalised, to the results of its first convolution and of six fires; H and W of at least 17. */
export function squeezenet({ width = 1 }: { width?: number } = {}): Trunk {
  const of = scaled(width);
  const parameters: Specs = {};
  const max: Stage = { run: (_, x) => maxPool(x, { size: 3, stride: 2, ceil: true }) };
  declare.conv(parameters, "features.0", of(64), 3, 3);
  const stages: Stage[] = [{ run: (p, x) => convRelu(p, "features.0", x, { stride: 2 }), tap: true }];
  const widths = [of(64)];
  let into = of(64);
  for (const { index, squeeze, expand, tap = false } of FIRES) {
    if ([3, 6, 9].includes(index)) stages.push(max);
    const name = `features.${index}`;
    declare.conv(parameters, `${name}.squeeze`, of(squeeze), into, 1);
    declare.conv(parameters, `${name}.expand1x1`, of(expand), of(squeeze), 1);
    declare.conv(parameters, `${name}.expand3x3`, of(expand), of(squeeze), 3);
    stages.push({ run: (p, x) => fire(p, name, x), tap });
    into = 2 * of(expand);
    if (tap) widths.push(into);
  }
  return { name: "squeezenet", parameters, widths, apply: (p, x) => through(stages, p, x) };
}
