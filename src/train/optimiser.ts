import { adamStep } from "../../kernels/adam.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { sumSquares } from "../../kernels/reduce.ts";
import { reshape } from "../../kernels/reshape.ts";
import { type Flat, flat } from "../tensor/flat.ts";
import { scope } from "../tensor/scope.ts";
import type { Shape } from "../tensor/shape.ts";
import { copyBuffer, type Tensor, upload } from "../tensor/tensor.ts";

export interface AdamOptions {
  beta1?: number;
  beta2?: number;
  eps?: number;
  /** Decoupled, as AdamW. */
  weightDecay?: number;
  /** The gradient is scaled down to this norm when it is longer. */
  maxNorm?: number;
}

export interface OptimiserStep {
  /** Counts from 0. */
  step: number;
  lr: number;
  emaDecay: number;
  /** Multiplies the gradient first. */
  gradScale?: number;
  /** One number: if it is not finite, nothing changes either. */
  guard?: Tensor;
  /** One number that becomes the squared norm of the gradient as given: not finite where it or the guard is not. */
  norm?: Tensor;
}

/** Adam's state: everything lies in flat buffers of one layout, and a step is one pass over them. */
export interface Optimiser {
  readonly params: Flat;
  readonly m: Flat;
  readonly v: Flat;
  /** Moving average of the parameters. */
  readonly ema: Flat;
  /** One update, in place. A gradient that is not finite changes nothing. */
  step(grads: Readonly<Record<string, Tensor>>, at: OptimiserStep): void;
  dispose(): void;
}

export function adam(
  params: Flat,
  { beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weightDecay = 0, maxNorm }: AdamOptions = {},
): Optimiser {
  const shapes: Record<string, Shape> = Object.fromEntries(
    Object.entries(params.tree).map(([name, t]) => [name, t.shape]),
  );
  const [grads, m, v, ema] = [flat(shapes), flat(shapes), flat(shapes), flat(shapes)];
  for (const state of [m, v]) for (const chunk of state.chunks) upload(chunk, new Float32Array(chunk.size));
  params.chunks.forEach((chunk, i) => copyBuffer(chunk, ema.chunks[i] as Tensor));
  return {
    params,
    m,
    v,
    ema,
    step(fresh, { step, lr, emaDecay, gradScale = 1, guard, norm }) {
      for (const [name, grad] of Object.entries(fresh)) copyBuffer(grad, grads.tree[name] as Tensor);
      scope(() => {
        const norms = grads.chunks.map((g) => reshape(sumSquares(g), [1]));
        // the guard is worth nothing beside the norm, unless it is not finite
        const terms = [...norms.flatMap((n) => [1, n] as const), ...(guard ? [1e-30, reshape(guard, [1])] : [])];
        const normSquared = lincomb(...terms);
        if (norm) copyBuffer(normSquared, norm);
        params.chunks.forEach((param, i) =>
          adamStep(
            {
              param,
              grad: grads.chunks[i] as Tensor,
              m: m.chunks[i] as Tensor,
              v: v.chunks[i] as Tensor,
              ema: ema.chunks[i] as Tensor,
              normSquared,
            },
            { lr, beta1, beta2, eps, weightDecay, step: step + 1, maxNorm, emaDecay, gradScale },
          ),
        );
      });
    },
    dispose() {
      for (const f of [params, grads, m, v, ema]) for (const t of [...f.chunks, ...Object.values(f.tree)]) t.dispose();
    },
  };
}
