/** Adam on a few numbers of the host, in float64. */
export interface HostAdamOptions {
  readonly beta1?: number;
  readonly beta2?: number;
  readonly eps?: number;
}
type Numbers = Readonly<Record<string, number>>;

/** Plain JSON: a checkpoint keeps it to the last bit. */
export interface HostState {
  readonly values: Numbers;
  readonly m: Numbers;
  readonly v: Numbers;
  /** Moving average of the values. */
  readonly ema: Numbers;
}

const each = (names: Numbers, f: (name: string) => number): Numbers =>
  Object.fromEntries(Object.keys(names).map((name) => [name, f(name)]));

export const hostState = (values: Numbers): HostState => ({
  values: { ...values },
  m: each(values, () => 0),
  v: each(values, () => 0),
  ema: { ...values },
});

/**
 * One step of Adam [Kingma & Ba 2015]; `step` counts from 0.
 *   m = b1 m + (1 - b1) g    v = b2 v + (1 - b2) g^2    x = x - lr m/(1 - b1^t) / (sqrt(v/(1 - b2^t)) + eps)
 */
export function hostAdam(
  { values, m, v, ema }: HostState,
  grads: Numbers,
  { step, lr, emaDecay }: { step: number; lr: number; emaDecay: number },
  { beta1 = 0.9, beta2 = 0.999, eps = 1e-8 }: HostAdamOptions = {},
): HostState {
  const at = (of: Numbers, name: string) => of[name] as number;
  const m1 = each(values, (k) => beta1 * at(m, k) + (1 - beta1) * at(grads, k));
  const v1 = each(values, (k) => beta2 * at(v, k) + (1 - beta2) * at(grads, k) ** 2);
  const [c1, c2] = [1 - beta1 ** (step + 1), 1 - beta2 ** (step + 1)];
  const next = each(values, (k) => at(values, k) - (lr * (at(m1, k) / c1)) / (Math.sqrt(at(v1, k) / c2) + eps));
  return { values: next, m: m1, v: v1, ema: each(values, (k) => emaDecay * at(ema, k) + (1 - emaDecay) * at(next, k)) };
}
