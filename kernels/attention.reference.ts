/** Attention and its gradient in plain loops and doubles. Tokens [N, T, heads * ch]. */
export interface Reference {
  N: number;
  Tq: number;
  Tk: number;
  heads: number;
  ch: number;
  scale?: number;
}
type Numbers = ArrayLike<number>;

/** Calls fn with each query's place, its weights, and the places of the keys. */
function each(
  { N, Tq, Tk, heads, ch, scale = ch ** -0.5 }: Reference,
  q: Numbers,
  k: Numbers,
  fn: (at: number, w: Float64Array, keyAt: (j: number) => number) => void,
) {
  const w = new Float64Array(Tk);
  for (let n = 0; n < N; n++)
    for (let h = 0; h < heads; h++)
      for (let t = 0; t < Tq; t++) {
        const at = ((n * Tq + t) * heads + h) * ch;
        const keyAt = (j: number) => ((n * Tk + j) * heads + h) * ch;
        for (let j = 0; j < Tk; j++) w[j] = scale * dot(q, at, k, keyAt(j), ch);
        const m = w.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
        let total = 0;
        for (let j = 0; j < Tk; j++) total += w[j] = Math.exp((w[j] as number) - m);
        for (let j = 0; j < Tk; j++) w[j] = (w[j] as number) / total;
        fn(at, w, keyAt);
      }
}
function dot(a: Numbers, i: number, b: Numbers, j: number, count: number): number {
  let s = 0;
  for (let c = 0; c < count; c++) s += (a[i + c] as number) * (b[j + c] as number);
  return s;
}
function add(y: Float64Array, i: number, factor: number, x: Numbers, j: number, count: number): void {
  for (let c = 0; c < count; c++) y[i + c] = (y[i + c] as number) + factor * (x[j + c] as number);
}

export function attention(q: Numbers, k: Numbers, v: Numbers, of: Reference): Float64Array {
  const o = new Float64Array(q.length);
  each(of, q, k, (at, w, keyAt) => {
    for (let j = 0; j < of.Tk; j++) add(o, at, w[j] as number, v, keyAt(j), of.ch);
  });
  return o;
}

/** Gradients of <dy, attention(q, k, v)>. */
export function attentionVjp(q: Numbers, k: Numbers, v: Numbers, dy: Numbers, of: Reference) {
  const { Tk, ch, scale = ch ** -0.5 } = of;
  const out = { dq: new Float64Array(q.length), dk: new Float64Array(k.length), dv: new Float64Array(v.length) };
  each(of, q, k, (at, w, keyAt) => {
    const dw = Float64Array.from({ length: Tk }, (_, j) => dot(dy, at, v, keyAt(j), ch));
    const mean = dot(w, 0, dw, 0, Tk);
    for (let j = 0; j < Tk; j++) {
      const dl = (w[j] as number) * ((dw[j] as number) - mean) * scale;
      add(out.dq, at, dl, k, keyAt(j), ch);
      add(out.dk, keyAt(j), dl, q, at, ch);
      add(out.dv, keyAt(j), w[j] as number, dy, at, ch);
    }
  });
  return out;
}
