/**
 * The convolutions of AlexNet [Krizhevsky 2014] under torchvision's names, with the five taps of LPIPS:
 *   relu(conv 11x11, stride 4), max, relu(conv 5x5), max, 3 times relu(conv 3x3)        max: 3x3, stride 2; taps: all
 */
import { maxPool } from "../../kernels/max_pool.ts";
import { declare } from "./layers.ts";
import type { Specs } from "./net.ts";
import { convRelu, type Stage, scaled, type Trunk, through } from "./trunk.ts";

const LAYERS = [
  { index: 0, C: 64, k: 11, stride: 4, padding: 2 },
  { index: 3, C: 192, k: 5, stride: 1, padding: 2 },
  { index: 6, C: 384, k: 3, stride: 1, padding: 1 },
  { index: 8, C: 256, k: 3, stride: 1, padding: 1 },
  { index: 10, C: 256, k: 3, stride: 1, padding: 1 },
];

/** x [N, H, W, 3], normalised, to the results of its five convolutions after ReLU; H and W of at least 31. */
export function alexnet({ width = 1 }: { width?: number } = {}): Trunk {
  const parameters: Specs = {};
  const stages: Stage[] = [];
  const widths = LAYERS.map(({ C }) => scaled(width)(C));
  LAYERS.forEach(({ index, k, stride, padding }, i) => {
    const name = `features.${index}`;
    declare.conv(parameters, name, widths[i] as number, widths[i - 1] ?? 3, k);
    stages.push({ run: (p, x) => convRelu(p, name, x, { stride, padding }), tap: true });
    if (i < 2) stages.push({ run: (_, x) => maxPool(x, { size: 3, stride: 2 }) });
  });
  return { name: "alexnet", parameters, widths, apply: (p, x) => through(stages, p, x) };
}
