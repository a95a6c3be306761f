export interface State {
  param: Float64Array;
  m: Float64Array;
  v: Float64Array;
  ema: Float64Array;
}
interface Step {
  lr: number;
  beta1: number;
  beta2: number;
  eps: number;
  weightDecay: number;
  step: number;
  emaDecay: number;
  maxNorm?: number;
}

/** The same step, in doubles. */
export function adam(
  s: State,
  grad: ArrayLike<number>,
  { lr, beta1, beta2, eps, weightDecay, step, emaDecay, maxNorm }: Step,
): State {
  let norm = 0;
  for (let i = 0; i < grad.length; i++) norm += (grad[i] as number) ** 2;
  const factor = maxNorm === undefined ? 1 : Math.min(1, maxNorm / Math.sqrt(norm));
  const out: State = { param: s.param.slice(), m: s.m.slice(), v: s.v.slice(), ema: s.ema.slice() };
  for (let i = 0; i < grad.length; i++) {
    const g = factor * (grad[i] as number);
    const m = beta1 * (s.m[i] as number) + (1 - beta1) * g;
    const v = beta2 * (s.v[i] as number) + (1 - beta2) * g * g;
    const [mh, vh] = [m / (1 - beta1 ** step), v / (1 - beta2 ** step)];
    const p = (s.param[i] as number) * (1 - lr * weightDecay) - (lr * mh) / (Math.sqrt(vh) + eps);
    [out.m[i], out.v[i], out.param[i]] = [m, v, p];
    out.ema[i] = emaDecay * (s.ema[i] as number) + (1 - emaDecay) * p;
  }
  return out;
}
