import { sub, where } from "../../kernels/broadcast.ts";
import { affine, clamp, relu, square } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { proxScale } from "../../kernels/prox_scale.ts";
import { nonlinear, type Operator } from "../linalg/operator.ts";
import { scope } from "../tensor/scope.ts";
import type { Shape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { pictureOf } from "./picture_shape.ts";

/**
 * A picture overexposed: y = clamp(gain x, -1, 1), pixel by pixel. Not linear; its gradient is 0 where it saturates.
 *   prox   the best of three, by |A(x) - y|^2/2 + rho |x - v|^2/2:
 *          x = (gain y + rho v)/(gain^2 + rho) held in [-1/gain, 1/gain], max(v, 1/gain), min(v, -1/gain)
 * DAPS and DDiff: gain 2.
 */
export function hdr(shape: Shape, { gain = 2 }: { gain?: number } = {}): Operator {
  const domain = pictureOf("hdr", shape);
  if (!(gain > 0 && Number.isFinite(gain))) throw new RangeError(`hdr: gain must be above 0, got ${gain}`);
  const edge = 1 / gain;
  return nonlinear({
    name: "hdr",
    domain,
    range: domain,
    slope: gain,
    apply: (x) => scope(() => clamp(affine(x, gain, 0), -1, 1)),
    prox(v, y, rho) {
      const { s, r } = proxScale("hdr", rho);
      return scope(() => {
        const cost = (x: Tensor, Ax: Tensor) => lincomb(s, square(sub(Ax, y)), r, square(sub(x, v)));
        const between = clamp(lincomb((s * gain) / (s * gain ** 2 + r), y, r / (s * gain ** 2 + r), v), -edge, edge);
        const [above, below] = [
          affine(relu(affine(v, 1, -edge)), 1, edge),
          affine(relu(affine(v, -1, -edge)), -1, -edge),
        ];
        const level = (x: Tensor, value: number) => affine(x, 0, value);
        const better = (a: [Tensor, Tensor], b: [Tensor, Tensor]): [Tensor, Tensor] => {
          const second = relu(sub(a[1], b[1]));
          return [where(second, b[0], a[0]), where(second, b[1], a[1])];
        };
        const inside: [Tensor, Tensor] = [between, cost(between, affine(between, gain, 0))];
        const bright: [Tensor, Tensor] = [above, cost(above, level(above, 1))];
        const dark: [Tensor, Tensor] = [below, cost(below, level(below, -1))];
        return better(better(inside, bright), dark)[0];
      });
    },
  });
}
