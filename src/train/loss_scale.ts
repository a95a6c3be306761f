/** What the loss is multiplied by so that its gradient, in halves, neither vanishes nor overflows. */
export interface LossScale {
  readonly scale: number;
  /** Steps since it changed. */
  readonly since: number;
}

const LEAST = 2 ** -14;
const MOST = 2 ** 24;

export const lossScale = (scale = 2 ** 14): LossScale => ({ scale, since: 0 });

/**
 * The scale for the next step [Micikevicius 2018, 3.2]: half where this one's gradient was not finite (and the step was not
 * taken), twice after `every` steps that were; undefined when no scale helps, so that the fault is not the scale's.
 */
export function rescaled({ scale, since }: LossScale, finite: boolean, every = 1000): LossScale | undefined {
  if (!finite) return scale > LEAST ? lossScale(scale / 2) : undefined;
  return since + 1 >= every && scale < MOST ? lossScale(2 * scale) : { scale, since: since + 1 };
}
