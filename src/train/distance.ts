import { affine, sqrt, square } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { mean, sumSquares } from "../../kernels/reduce.ts";
import { scope } from "../tensor/scope.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** How far pictures are from those they should be: from [N, H, W, C] twice to [N]. `lpips(...).apply` of given parameters is one. */
export type Distance = (x: Tensor, truth: Tensor) => Tensor;

const within = ({ length }: Shape) => Array.from({ length: length - 1 }, (_, i) => i + 1);

/** The mean of (x - truth)^2 over each picture. */
export const squaredError: Distance = (x, truth) =>
  scope(() => mean(square(lincomb(1, x, -1, truth)), { axes: within(x.shape) }));

/** sqrt(|x - truth|^2 + c^2) - c, with c = .00054 sqrt(d) for pictures of d numbers [Song & Dhariwal 2024]: few large errors weigh less. */
export const pseudoHuber =
  (c?: number): Distance =>
  (x, truth) =>
    scope(() => {
      const k = c ?? 0.00054 * Math.sqrt(sizeOf(x.shape.slice(1)));
      const squares = sumSquares(lincomb(1, x, -1, truth), { axes: within(x.shape) });
      return affine(sqrt(affine(squares, 1, k * k)), 1, -k);
    });
