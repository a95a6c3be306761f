/**
 * The convolutions of VGG-16 [Simonyan & Zisserman 2015] under torchvision's names, with the five taps of LPIPS:
 *   5 levels of 2, 2, 3, 3, 3 times relu(conv 3x3), the last of each a tap; 2x2 maxima between them
 */
import { maxPool } from "../../kernels/max_pool.ts";
import { declare } from "./layers.ts";
import type { Specs } from "./net.ts";
import { convRelu, type Stage, scaled, type Trunk, through } from "./trunk.ts";

const LEVELS = [
  [64, 2],
  [128, 2],
  [256, 3],
  [512, 3],
  [512, 3],
] as const;

/** x [N, H, W, 3], normalised, to relu1_2, relu2_2, relu3_3, relu4_3, relu5_3; H and W of at least 16. */
export function vgg16({ width = 1 }: { width?: number } = {}): Trunk {
  const parameters: Specs = {};
  const stages: Stage[] = [];
  const widths = LEVELS.map(([C]) => scaled(width)(C));
  let [index, into] = [0, 3];
  LEVELS.forEach(([, convs], level) => {
    const out = widths[level] as number;
    for (let i = 0; i < convs; i++) {
      const name = `features.${index}`;
      declare.conv(parameters, name, out, into, 3);
      stages.push({ run: (p, x) => convRelu(p, name, x, { padding: 1 }), tap: i === convs - 1 });
      index += 2; // convolution, ReLU
      into = out;
    }
    if (level < 4) stages.push({ run: (_, x) => maxPool(x, { size: 2 }) });
    index++;
  });
  return { name: "vgg16", parameters, widths, apply: (p, x) => through(stages, p, x) };
}
