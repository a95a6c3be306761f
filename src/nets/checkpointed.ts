import { checkpoint } from "../autograd/vjp.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Net, Params } from "./net.ts";

/**
 * The same network, whose blocks remember what came into them and nothing of their inside: the gradient runs each again.
 * A step of training costs one forward pass more. Of the activations about a quarter stays (in a residual block one tensor of
 * four, where a skip connection joins one of five), and the inside of one block at a time. Values are the same to the bit,
 * gradients but for the order of sums (relative L2 5e-7 in f32). Networks that are not made of such blocks stay as they are.
 */
export const checkpointed = (net: Net): Net => ({
  ...net,
  apply: (params, x, t, labels) => net.apply(params, x, t, { ...labels, checkpoint: true }),
});

/** f in a scope of its own, or under a checkpoint: then it gets only the parameters whose names begin with `at.`. */
export function inBlock<X extends readonly (Tensor | undefined)[]>(
  again: boolean | undefined,
  f: (p: Params, ...x: X) => Tensor,
  p: Params,
  at: string,
  ...x: X
): Tensor {
  if (!again) return scope(() => f(p, ...x));
  const own = Object.fromEntries(Object.entries(p).filter(([name]) => name.startsWith(`${at}.`)));
  return checkpoint((own: Params, x: readonly Tensor[]) => f(own, ...(x as unknown as X)))(own, x as readonly Tensor[]);
}
