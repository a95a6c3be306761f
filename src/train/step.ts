import { lincomb, scaled } from "../../kernels/lincomb.ts";
import { valueAndGrad } from "../autograd/vjp.ts";
import type { Params } from "../nets/net.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** What a gradient is taken of: a loss, and the parameters that it is taken in. */
export interface Pass {
  readonly params: Params;
  loss(params: Params): Tensor;
}
export interface Gradient {
  readonly value: Tensor;
  readonly grad: Params;
}

/** The loss of a micro-batch times a scale, and its gradient; added to those of the micro-batches before, if there are any. */
export const gradient = ({ params, loss }: Pass, before?: Gradient, scale = 1): Gradient =>
  scope(() => {
    const { value, grad } = valueAndGrad((p: Params) => scaled(scale, loss(p)))(params);
    if (!before) return { value, grad };
    const added = Object.entries(grad).map(([name, g]) => [name, lincomb(1, before.grad[name] as Tensor, 1, g)]);
    return { value: lincomb(1, before.value, 1, value), grad: Object.fromEntries(added) as Params };
  });
