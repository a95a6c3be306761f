const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** f and f', by name, in doubles. a and b are the function's constants. */
export const elementwise: Record<
  string,
  { f(x: number, a: number, b: number): number; d(x: number, a: number, b: number): number }
> = {
  silu: { f: (x) => x * sigmoid(x), d: (x) => sigmoid(x) * (1 + x * sigmoid(-x)) },
  relu: { f: (x) => Math.max(x, 0), d: (x) => (x > 0 ? 1 : 0) },
  leakyRelu: { f: (x, a) => (x > 0 ? x : a * x), d: (x, a) => (x > 0 ? 1 : a) },
  tanh: { f: Math.tanh, d: (x) => 1 / Math.cosh(x) ** 2 },
  sigmoid: { f: sigmoid, d: (x) => sigmoid(x) * sigmoid(-x) },
  softplus: { f: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))), d: sigmoid },
  exp: { f: Math.exp, d: Math.exp },
  log: { f: Math.log, d: (x) => 1 / x },
  sqrt: { f: Math.sqrt, d: (x) => 0.5 / Math.sqrt(x) },
  abs: { f: Math.abs, d: Math.sign },
  square: { f: (x) => x * x, d: (x) => 2 * x },
  clamp: { f: (x, a, b) => Math.min(Math.max(x, a), b), d: (x, a, b) => (x >= a && x <= b ? 1 : 0) },
  reciprocal: { f: (x) => 1 / x, d: (x) => -1 / (x * x) },
  round: { f: (x) => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x)), d: () => 1 },
  affine: { f: (x, a, b) => a * x + b, d: (_, a) => a },
};
