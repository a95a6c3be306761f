import { followed } from "../tensor/op.ts";
import { type Plan, plan } from "../tensor/plan.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Network } from "./precondition.ts";

type Planned = Plan<readonly [Tensor, readonly number[]], Tensor>;

/**
 * A network that is captured at its second call with pictures of one shape, and replayed from then on: a solver calls
 * it hundreds of times. Plans of the `keep` shapes used last hold their memory until disposed. A network that no plan
 * can repeat is called as ever, and so is one of which a gradient is wanted.
 */
export function planned(F: Network, { keep = 2 }: { keep?: number } = {}): Network & Disposable {
  const plans = new Map<string, Planned | undefined>();
  let able = true;
  const call = (x: Tensor, noise: number[]): Tensor => {
    if (!able || followed() || !noise.length) return F(x, noise);
    const key = `${x.dtype} ${x.shape} ${noise.length}`;
    let mine = plans.get(key);
    const seen = plans.delete(key);
    if (mine?.stale) {
      mine.dispose();
      mine = undefined;
    } else if (seen && !mine) mine = captured(x, noise);
    plans.set(key, mine); // the last used is the last of the map
    for (const [old, unused] of plans)
      if (plans.size > keep) {
        unused?.dispose();
        plans.delete(old);
      }
    return mine ? mine(x, noise) : F(x, noise);
  };
  const captured = (x: Tensor, noise: readonly number[]): Planned | undefined => {
    try {
      return plan((z: Tensor, t: readonly number[]) => F(z, t as number[]), [x, noise]);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      able = false; // it uses numbers in ways that a plan cannot follow
      return undefined;
    }
  };
  return Object.assign(call, {
    [Symbol.dispose]: () => {
      for (const mine of plans.values()) mine?.dispose();
      plans.clear();
    },
  });
}
