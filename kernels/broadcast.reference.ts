/** f(a, b) over the common shape, aligned at the right. Returns the numbers only. */
export function broadcast(
  f: (a: number, b: number) => number,
  a: { shape: readonly number[]; data: ArrayLike<number> },
  b: { shape: readonly number[]; data: ArrayLike<number> },
): Float64Array {
  const rank = Math.max(a.shape.length, b.shape.length);
  const pad = (s: readonly number[]) => [...new Array(rank - s.length).fill(1), ...s] as number[];
  const [p, q] = [pad(a.shape), pad(b.shape)];
  const out = p.map((n, i) => (n === 1 ? (q[i] as number) : n));
  const at = (s: number[], index: number[]) => s.reduce((k, n, i) => k * n + (n === 1 ? 0 : (index[i] as number)), 0);
  const y = new Float64Array(out.reduce((m, n) => m * n, 1));
  const index = new Array(rank).fill(0);
  for (let i = 0; i < y.length; i++) {
    y[i] = f(a.data[at(p, index)] as number, b.data[at(q, index)] as number);
    for (let k = rank - 1; k >= 0 && ++index[k] === out[k]; k--) index[k] = 0;
  }
  return y;
}
