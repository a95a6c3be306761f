/** Small dense systems in doubles: what closed forms are checked against. */
export type Matrix = readonly Float64Array[];

/** M^-1 b by Gaussian elimination with pivoting. */
export function solve(matrix: Matrix, b: ArrayLike<number>): Float64Array {
  const n = matrix.length;
  const rows: Float64Array[] = matrix.map((row, i) => Float64Array.from([...row, b[i] as number]));
  for (let i = 0; i < n; i++) {
    let best = i;
    for (let k = i + 1; k < n; k++)
      if (Math.abs((rows[k] as Float64Array)[i] as number) > Math.abs((rows[best] as Float64Array)[i] as number))
        best = k;
    [rows[i], rows[best]] = [rows[best] as Float64Array, rows[i] as Float64Array];
    const pivot = rows[i] as Float64Array;
    for (let k = i + 1; k < n; k++) {
      const row = rows[k] as Float64Array;
      const f = (row[i] as number) / (pivot[i] as number);
      if (f) for (let j = i; j <= n; j++) row[j] = (row[j] as number) - f * (pivot[j] as number);
    }
  }
  const x = new Float64Array(n);
  for (let i = n - 1; i >= 0; i--) {
    const row = rows[i] as Float64Array;
    let sum = row[n] as number;
    for (let j = i + 1; j < n; j++) sum -= (row[j] as number) * (x[j] as number);
    x[i] = sum / (row[i] as number);
  }
  return x;
}

export const times = (a: Matrix, x: ArrayLike<number>): Float64Array =>
  Float64Array.from(a, (row) => row.reduce((sum, v, j) => sum + v * (x[j] as number), 0));

const transposed = (a: Matrix): Matrix =>
  Array.from({ length: (a[0] as Float64Array).length }, (_, j) => Float64Array.from(a, (row) => row[j] as number));

/** argmin ½|Ax - y|² + (rho/2)|x - v|²; rho = 0 stands for the limit from above. */
export function prox(a: Matrix, y: ArrayLike<number>, v: ArrayLike<number>, rho: number): Float64Array {
  if (rho === Number.POSITIVE_INFINITY) return Float64Array.from(v);
  const at = transposed(a);
  const normal = at.map((row, i) => {
    const out = Float64Array.from(at, (other) => row.reduce((sum, p, k) => sum + p * (other[k] as number), 0));
    out[i] = (out[i] as number) + Math.max(rho, 1e-10);
    return out;
  });
  const av = times(a, v);
  const step = solve(
    normal,
    times(
      at,
      Float64Array.from(av, (p, i) => (y[i] as number) - p),
    ),
  );
  return step.map((p, i) => p + (v[i] as number));
}

/** f on each plane (n, c) of pictures [N, H, W, C]; operands may differ in H and W. */
export function onPlanes(
  operands: readonly ArrayLike<number>[],
  [n, c]: readonly [number, number],
  f: (planes: Float64Array[], c: number) => Float64Array,
): Float64Array {
  let out = new Float64Array(0);
  for (let i = 0; i < n; i++)
    for (let ch = 0; ch < c; ch++) {
      const planes = operands.map((x) => {
        const size = x.length / (n * c);
        return Float64Array.from({ length: size }, (_, k) => x[(i * size + k) * c + ch] as number);
      });
      const done = f(planes, ch);
      if (!out.length) out = new Float64Array(n * c * done.length);
      done.forEach((v, k) => {
        out[(i * done.length + k) * c + ch] = v;
      });
    }
  return out;
}
