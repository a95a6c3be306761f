/** Sums f(i) over some axes of a shape; i is the flat index. */
export function reduce(shape: readonly number[], axes: readonly number[], f: (i: number) => number): Float64Array {
  const strides = shape.map((_, k) =>
    axes.includes(k) ? 0 : shape.slice(k + 1).reduce((m, n, j) => (axes.includes(k + 1 + j) ? m : m * n), 1),
  );
  const out = new Float64Array(shape.reduce((m, n, k) => (axes.includes(k) ? m : m * n), 1));
  const total = shape.reduce((m, n) => m * n, 1);
  const index = new Array(shape.length).fill(0);
  for (let i = 0; i < total; i++) {
    const to = index.reduce((s, n, k) => s + n * (strides[k] as number), 0);
    out[to] = (out[to] as number) + f(i);
    for (let k = shape.length - 1; k >= 0 && ++index[k] === shape[k]; k--) index[k] = 0;
  }
  return out;
}
