/**
 * Inception-v3 [Szegedy et al. 2016] as FID means it: torchvision's layers with the weights of 2015, under pytorch-fid's
 * names. A block is a table of branches, read side by side and concatenated; every convolution is followed by batch norm
 * (eps 1e-3) and ReLU. It differs from torchvision's in its pools: means do not count the padding, and the last block
 * takes maxima.
 */

import { resizeBilinear } from "../../kernels/bilinear.ts";
import { concat } from "../../kernels/concat.ts";
import { conv2d } from "../../kernels/conv2d.ts";
import { maxPool } from "../../kernels/max_pool.ts";
import { meanPool } from "../../kernels/mean_pool.ts";
import { mean } from "../../kernels/reduce.ts";
import { reshape } from "../../kernels/reshape.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { batchNorm } from "./batch_norm.ts";
import type { Module, Params, Specs } from "./net.ts";
import { scaled } from "./trunk.ts";

const SIDE = 299;

interface Conv {
  name: string;
  out: number;
  kernel: readonly [number, number];
  stride: number;
  /** Zeros around, so that stride 1 keeps the size. */
  padding: readonly [number, number];
}
type Pool = (x: Tensor) => Tensor;
/** Several convolutions read one input, and their results are concatenated. */
type Fork = readonly Conv[];
type Branch = readonly (Conv | Pool | Fork)[];
interface Block {
  at: string;
  branches: readonly Branch[];
}

function conv(name: string, out: number, kernel: number | readonly [number, number] = 1, stride = 1, pad = true): Conv {
  const [h, w] = typeof kernel === "number" ? [kernel, kernel] : kernel;
  const same = pad && stride === 1;
  return { name, out, kernel: [h, w], stride, padding: same ? [(h - 1) / 2, (w - 1) / 2] : [0, 0] };
}
const halve: Pool = (x) => maxPool(x, { size: 3, stride: 2 });
const largest: Pool = (x) => maxPool(x, { size: 3, stride: 1, padding: 1 });
const average: Pool = (x) => meanPool(x, { size: 3, stride: 1, padding: 1 });

const stem: Branch = [
  ...[conv("Conv2d_1a_3x3", 32, 3, 2), conv("Conv2d_2a_3x3", 32, 3, 1, false), conv("Conv2d_2b_3x3", 64, 3), halve],
  ...[conv("Conv2d_3b_1x1", 80), conv("Conv2d_4a_3x3", 192, 3, 1, false), halve],
];
/** 35 x 35. */
const blockA = (pooled: number): Branch[] => [
  [conv("branch1x1", 64)],
  [conv("branch5x5_1", 48), conv("branch5x5_2", 64, 5)],
  [conv("branch3x3dbl_1", 64), conv("branch3x3dbl_2", 96, 3), conv("branch3x3dbl_3", 96, 3)],
  [average, conv("branch_pool", pooled)],
];
/** 35 x 35 to 17 x 17. */
const blockB: Branch[] = [
  [conv("branch3x3", 384, 3, 2)],
  [conv("branch3x3dbl_1", 64), conv("branch3x3dbl_2", 96, 3), conv("branch3x3dbl_3", 96, 3, 2)],
  [halve],
];
const [row, column] = [
  [1, 7],
  [7, 1],
] as const;
/** 17 x 17: c channels between two factors of a 7 x 7 convolution. */
const blockC = (c: number): Branch[] => [
  [conv("branch1x1", 192)],
  [conv("branch7x7_1", c), conv("branch7x7_2", c, row), conv("branch7x7_3", 192, column)],
  [
    ...[conv("branch7x7dbl_1", c), conv("branch7x7dbl_2", c, column), conv("branch7x7dbl_3", c, row)],
    ...[conv("branch7x7dbl_4", c, column), conv("branch7x7dbl_5", 192, row)],
  ],
  [average, conv("branch_pool", 192)],
];
/** 17 x 17 to 8 x 8. */
const blockD: Branch[] = [
  [conv("branch3x3_1", 192), conv("branch3x3_2", 320, 3, 2)],
  [
    ...[conv("branch7x7x3_1", 192), conv("branch7x7x3_2", 192, row), conv("branch7x7x3_3", 192, column)],
    conv("branch7x7x3_4", 192, 3, 2),
  ],
  [halve],
];
/** 8 x 8. */
const blockE = (pool: Pool): Branch[] => [
  [conv("branch1x1", 320)],
  [conv("branch3x3_1", 384), [conv("branch3x3_2a", 384, [1, 3]), conv("branch3x3_2b", 384, [3, 1])]],
  [
    ...[conv("branch3x3dbl_1", 448), conv("branch3x3dbl_2", 384, 3)],
    [conv("branch3x3dbl_3a", 384, [1, 3]), conv("branch3x3dbl_3b", 384, [3, 1])],
  ],
  [pool, conv("branch_pool", 192)],
];
const BLOCKS: readonly Block[] = [
  { at: "", branches: [stem] },
  ...[32, 64, 64].map((pooled, i) => ({ at: `Mixed_5${"bcd"[i]}.`, branches: blockA(pooled) })),
  { at: "Mixed_6a.", branches: blockB },
  ...[128, 160, 160, 192].map((c, i) => ({ at: `Mixed_6${"bcde"[i]}.`, branches: blockC(c) })),
  { at: "Mixed_7a.", branches: blockD },
  { at: "Mixed_7b.", branches: blockE(average) },
  { at: "Mixed_7c.", branches: blockE(largest) },
];

/** Declares a branch; tells its channels. */
function declareBranch(specs: Specs, at: string, branch: Branch, into: number, of: (C: number) => number): number {
  const declare = ({ name, out, kernel }: Conv): number => {
    const shape = [of(out), into, ...kernel];
    specs[`${at}${name}.conv.weight`] = { shape, init: { fanIn: into * kernel[0] * kernel[1] } };
    batchNorm.declare(specs, `${at}${name}.bn`, of(out));
    return of(out);
  };
  for (const step of branch)
    if (typeof step !== "function")
      into = [step]
        .flat()
        .map((c) => declare(c as Conv))
        .reduce((a, b) => a + b);
  return into;
}

function run(p: Params, at: string, step: Branch[number], x: Tensor): Tensor {
  if (typeof step === "function") return step(x);
  if ("name" in step) {
    const { name, stride, padding } = step;
    const [py, px] = padding;
    const h = conv2d(x, p[`${at}${name}.conv.weight`] as Tensor, { stride, padding: [py, py, px, px] });
    return batchNorm.apply(p, `${at}${name}.bn`, h, 1e-3);
  }
  return concat(step.map((c) => run(p, at, c, x)));
}

const runBranch = (p: Params, at: string, branch: Branch, x: Tensor): Tensor =>
  branch.reduce((before, step) => {
    const h = scope(() => run(p, at, step, before));
    if (before !== x) before.dispose();
    return h;
  }, x);

/** The features of FID, and their number: what its own `fc` would read. */
export interface Features extends Module<[x: Tensor]> {
  readonly features: number;
}

/** x [N, H, W, 3] in [-1, 1], of any size, to [N, 2048]: the mean of the last block. `width`: tiny ones for tests. */
export function inception({ width = 1 }: { width?: number } = {}): Features {
  const of = scaled(width);
  const parameters: Specs = {};
  let features = 3;
  for (const { at, branches } of BLOCKS) {
    const into = features;
    features = branches.reduce((sum, branch) => sum + declareBranch(parameters, at, branch, into, of), 0);
  }
  return {
    name: "inception",
    features,
    parameters,
    // what is left in the file: the classifier of its 1008 classes, and PyTorch's counts of batches
    buffers: { ...batchNorm.counters(parameters), "fc.weight": [1008, features], "fc.bias": [1008] },
    apply: (p, x) =>
      scope(() => {
        const [N, H, W] = x.shape as [number, number, number];
        let h = H === SIDE && W === SIDE ? x : resizeBilinear(x, [SIDE, SIDE]);
        for (const { at, branches } of BLOCKS) {
          const before = h;
          h = scope(() => {
            const parts = branches.map((branch) => runBranch(p, at, branch, before));
            return parts.length > 1 ? concat(parts) : (parts[0] as Tensor);
          });
          if (before !== x) before.dispose();
        }
        return reshape(mean(h, { axes: [1, 2] }), [N, features]);
      }),
  };
}
