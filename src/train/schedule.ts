export interface Schedule {
  /** Peak learning rate. */
  lr: number;
  /** Steps of linear warm-up. */
  warmup: number;
  /** Where the cosine ends. */
  lrEnd: number;
  steps: number;
}

/** Linear warm-up, then a half cosine from `lr` to `lrEnd`. Steps count from 0. */
export function learningRate({ lr, warmup, lrEnd, steps }: Schedule, step: number): number {
  if (step < warmup) return (lr * (step + 1)) / warmup;
  const t = Math.min(1, (step - warmup) / Math.max(1, steps - 1 - warmup));
  return lrEnd + 0.5 * (lr - lrEnd) * (1 + Math.cos(Math.PI * t));
}

/** Decay of the moving average, short at first so that it forgets the initial values. */
export const emaDecay = (decay: number, step: number): number => Math.min(decay, (1 + step) / (10 + step));
