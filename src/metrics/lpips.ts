import { keep, mul, sub, where } from "../../kernels/broadcast.ts";
import { cast } from "../../kernels/cast.ts";
import { affine, reciprocal, sqrt, square } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { mean, sum, sumSquares } from "../../kernels/reduce.ts";
import { reshape } from "../../kernels/reshape.ts";
import { ShapeError } from "../errors.ts";
import { alexnet } from "../nets/alexnet.ts";
import type { Module, Params, Specs } from "../nets/net.ts";
import { squeezenet } from "../nets/squeezenet.ts";
import type { Trunk } from "../nets/trunk.ts";
import { vgg16 } from "../nets/vgg.ts";
import { scope } from "../tensor/scope.ts";
import { sameShape } from "../tensor/shape.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";

/** Of each trunk the torchvision index at which a slice of LPIPS ends; a slice ends with a tap. */
const NETS = {
  vgg: { trunk: vgg16, ends: [4, 9, 16, 23, 30] },
  alex: { trunk: alexnet, ends: [2, 5, 8, 10, 12] },
  squeeze: { trunk: squeezenet, ends: [2, 5, 8, 10, 11, 12, 13] },
} as const;
export type LpipsNet = keyof typeof NETS;
export const LPIPS_NETS = Object.keys(NETS) as readonly LpipsNet[];

// ImageNet's mean and deviation, of pictures in [-1, 1], as the published code rounds them
const SHIFT = [-0.03, -0.088, -0.188];
const SCALE = [0.458, 0.448, 0.45];

/** x in [-1, 1], [N, H, W, 3] or grey, as the trunks want it: (x - shift)/scale. */
export const lpipsInput = (x: Tensor): Tensor =>
  scope(() =>
    mul(
      sub(x, tensor([3], SHIFT, x.dtype)),
      tensor(
        [3],
        SCALE.map((s) => 1 / s),
        x.dtype,
      ),
    ),
  );

/** f/(|f| + 1e-10), pixel by pixel. Where f = 0 the gradient is taken as 0; it has none there. */
function directions(given: Tensor): Tensor {
  const f = cast(given, "f32"); // squares of features leave the range of halves
  const squares = sumSquares(f, { axes: [3], keep: true });
  const norm = sqrt(where(squares, squares, affine(squares, 0, 1)));
  return keep(squares, mul(f, reciprocal(affine(norm, 1, 1e-10))));
}

/** One layer's share, [N]: the mean over pixels of sum over c of w_c (n0 - n1)_c^2, n = f/(|f| + 1e-10); w [1, C, 1, 1]. */
export const lpipsLayer = (f0: Tensor, f1: Tensor, w: Tensor): Tensor =>
  scope(() => {
    const apart = mean(square(sub(directions(f0), directions(f1))), { axes: [1, 2] });
    return sum(mul(apart, reshape(cast(w, "f32"), [1, w.size])), { axes: [1] });
  });

/** The trunk's names in an LPIPS file, by torchvision's: features.5.weight -> net.slice2.5.weight. */
export const lpipsName = (net: LpipsNet, name: string): string =>
  name.replace(/^features\.(\d+)/, (_, index: string) => {
    const slice = NETS[net].ends.findIndex((end) => Number(index) < end) + 1;
    return `net.slice${slice}.${index}`;
  });

export interface Lpips extends Module<[x: Tensor, truth: Tensor]> {
  readonly trunk: Trunk;
}

/**
 * The perceptual distance LPIPS 0.1 [Zhang 2018]: pictures [N, H, W, 3] in [-1, 1] to [N], differentiable, 0 for equals.
 *   d = sum over taps k of mean over pixels of w_k . (n_k(x) - n_k(truth))^2,   n = f/(|f| + 1e-10)
 * Parameters as in the published module: `net.sliceK.i.*` of the trunk and `linK.model.1.weight`. Trunks compare by
 * maxima, as published; piq's `replace_pooling`, which DAPS uses, gives other figures. `width`: tiny ones for tests.
 */
export function lpips({ net = "vgg", width = 1 }: { net?: LpipsNet; width?: number } = {}): Lpips {
  const trunk = NETS[net].trunk({ width });
  const names = Object.keys(trunk.parameters).map((name) => [name, lpipsName(net, name)] as const);
  const parameters: Specs = {};
  for (const [name, ours] of names) parameters[ours] = trunk.parameters[name] as Specs[string];
  const head = (k: number) => `lin${k}.model.1.weight`;
  trunk.widths.forEach((C, k) => {
    parameters[head(k)] = { shape: [1, C, 1, 1], init: 1 / C };
  });
  return {
    name: `lpips-${net}`,
    trunk,
    parameters,
    apply: (p: Params, x, truth) =>
      scope(() => {
        if (!sameShape(x.shape, truth.shape))
          throw new ShapeError(`lpips: two pictures of one shape expected, got [${x.shape}] and [${truth.shape}]`);
        const own = Object.fromEntries(names.map(([name, ours]) => [name, p[ours] as Tensor]));
        const [f0, f1] = [x, truth].map((t) => trunk.apply(own, lpipsInput(t))) as [Tensor[], Tensor[]];
        const layers = f0.map((f, k) => lpipsLayer(f, f1[k] as Tensor, p[head(k)] as Tensor));
        return lincomb(...layers.flatMap((d) => [1, d]));
      }),
  };
}
