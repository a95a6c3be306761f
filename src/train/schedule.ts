export interface Schedule {
  /** Peak learning rate. */
  lr: number;
  /** Steps of linear warm-up. */
  warmup: number;
  /** Where the cosine ends. */
  lrEnd: number;
  steps: number;
  /** After the warm-up: a half cosine to `lrEnd` (default), nothing, or times `decayBy` after every `decayEvery` steps. */
  decay?: Decay;
  decayEvery?: number;
  decayBy?: number;
}
export const DECAYS = ["cosine", "constant", "step"] as const;
export type Decay = (typeof DECAYS)[number];

/** Linear warm-up, then as `decay` says. Steps count from 0. */
export function learningRate(schedule: Schedule, step: number): number {
  const { lr, warmup, lrEnd, steps, decay = "cosine", decayEvery = 1000, decayBy = 0.1 } = schedule;
  if (step < warmup) return (lr * (step + 1)) / warmup;
  if (decay === "constant") return lr;
  if (decay === "step") return lr * decayBy ** Math.floor(step / decayEvery);
  const t = Math.min(1, (step - warmup) / Math.max(1, steps - 1 - warmup));
  return lrEnd + 0.5 * (lr - lrEnd) * (1 + Math.cos(Math.PI * t));
}

/** Decay of the moving average, short at first so that it forgets the initial values. */
export const emaDecay = (decay: number, step: number): number => Math.min(decay, (1 + step) / (10 + step));
