import { cast } from "../../kernels/cast.ts";
import { scope } from "../tensor/scope.ts";
import type { Net, Params } from "./net.ts";

/**
 * The same network with activations and weights as halves, of parameters that stay f32: they are rounded on the way in, and
 * their gradients come back in f32. Norms, biases and embeddings are f32 as ever, sums inside kernels too. Small gradients
 * vanish in halves: multiply the loss by a `LossScale`. Wants an adapter with shader-f16.
 */
export const halved = (net: Net): Net => ({
  ...net,
  apply: (params, x, t, labels) =>
    scope(() => {
      const own: Params = Object.fromEntries(
        Object.entries(params).map(([name, p]) => [name, p.shape.length > 1 ? cast(p, "f16") : p]),
      );
      return cast(net.apply(own, cast(x, "f16"), t, labels), x.dtype);
    }),
});
