import wgsl from "../shaders/adam.wgsl";
import { ShapeError } from "../src/errors.ts";
import { grid1d, kernel, lanesFor } from "../src/tensor/kernel.ts";
import { scope } from "../src/tensor/scope.ts";
import { sameShape } from "../src/tensor/shape.ts";
import type { Tensor } from "../src/tensor/tensor.ts";

/** Flat f32 buffers of one length. All but the gradient and its norm are changed in place. */
export interface AdamTensors {
  param: Tensor;
  /** May be f16. */
  grad: Tensor;
  m: Tensor;
  v: Tensor;
  /** Moving average of the parameters. */
  ema?: Tensor | undefined;
  /** The squared norm of the whole gradient, for clipping; without it a non-finite gradient goes unnoticed. */
  normSquared?: Tensor | undefined;
}
export interface AdamStep {
  lr: number;
  beta1?: number;
  beta2?: number;
  eps?: number;
  /** Decoupled, as AdamW. */
  weightDecay?: number;
  /** Counts from 1. */
  step: number;
  /** Gradients longer than this are scaled down to it. Needs `normSquared`. */
  maxNorm?: number | undefined;
  emaDecay?: number;
  /** Multiplies the gradient first: the inverse of a loss scale. */
  gradScale?: number;
}

const run = kernel<Required<Omit<AdamStep, "maxNorm">> & { maxNorm: number; ema: boolean }>({
  wgsl,
  params: ({ grad }, { lr, beta1, beta2, eps, weightDecay, step, maxNorm, emaDecay, gradScale }) => ({
    n: grad.size / lanesFor(grad.size),
    scale: gradScale,
    max_norm: maxNorm,
    ...{ beta1, rest1: 1 - beta1, beta2, rest2: 1 - beta2, eps, decay: emaDecay, rest: 1 - emaDecay },
    keep: 1 - lr * weightDecay,
    rate: lr / (1 - beta1 ** step),
    root: 1 / Math.sqrt(1 - beta2 ** step),
  }),
  // an absent average still takes a binding
  shapes: ({ grad: { shape } }) => ({ param: shape, m: shape, v: shape, ema: [4] }),
  grid: ({ grad }, _, wg) => grid1d(grad.size / lanesFor(grad.size), wg),
  lanes: ({ grad }) => lanesFor(grad.size),
  overrides: ({ norm_squared }, { ema }) => ({ CLIP: norm_squared ? 1 : 0, EMA: ema ? 1 : 0 }),
});

/** One step of Adam or AdamW, in place, in one pass. No gradient flows through it. */
export function adamStep({ param, grad, m, v, ema, normSquared }: AdamTensors, options: AdamStep): void {
  const { beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weightDecay = 0, emaDecay = 0.999, gradScale = 1 } = options;
  const { lr, step, maxNorm } = options;
  const own = { param, m, v, ...(ema && { ema }) };
  for (const [name, t] of Object.entries(own))
    if (!sameShape(t.shape, grad.shape) || t.dtype !== "f32")
      throw new ShapeError(
        `adamStep: ${name} is ${t.dtype} [${t.shape}], expected f32 [${grad.shape}] as the gradient`,
      );
  if (step < 1) throw new RangeError(`adamStep: steps count from 1, got ${step}`);
  if (maxNorm !== undefined && !normSquared)
    throw new TypeError("adamStep: maxNorm needs normSquared, the squared norm of the gradient");
  scope(() => {
    run(
      { grad, norm_squared: normSquared },
      // any f32 above every norm stands for no limit
      {
        lr,
        beta1,
        beta2,
        eps,
        weightDecay,
        step,
        emaDecay,
        gradScale,
        maxNorm: maxNorm ?? 3e38,
        ema: ema !== undefined,
      },
      own,
    );
  });
}
