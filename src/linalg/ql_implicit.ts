/**
 * Diagonal d and off-diagonal e of a real symmetric matrix to its eigenvalues, in d, by implicit QL sweeps, until
 * what is beside the diagonal is `least` of the norm. `turn` is told
 * of each plane rotation of axes i and i + 1: applied to the rows of an orthogonal matrix, they become the vectors.
 */
export function qlImplicit(
  d: Float64Array,
  e: Float64Array,
  least: number,
  turn?: (i: number, c: number, s: number) => void,
): void {
  const n = d.length;
  // against the whole matrix: where it lacks rank, what is near the diagonal is rounding too, of some eps
  const norm = d.reduce((most, v, k) => Math.max(most, Math.abs(v) + Math.abs(e[k] as number)), 0);
  const small = norm * least;
  for (let l = 0; l < n; l++)
    for (let tries = 0; ; tries++) {
      let m = l;
      while (m + 1 < n && Math.abs(e[m] as number) > small) m++;
      if (m === l) break;
      if (tries === 60) throw new Error("internal: the eigenvalues did not converge");
      const half = ((d[l + 1] as number) - (d[l] as number)) / (2 * (e[l] as number));
      const root = Math.hypot(half, 1);
      let g = (d[m] as number) - (d[l] as number) + (e[l] as number) / (half + (half >= 0 ? root : -root));
      let [s, c, p] = [1, 1, 0];
      let i = m - 1;
      for (; i >= l; i--) {
        const [f, b] = [s * (e[i] as number), c * (e[i] as number)];
        const r = Math.hypot(f, g);
        e[i + 1] = r;
        if (r === 0) {
          d[i + 1] = (d[i + 1] as number) - p;
          e[m] = 0;
          break;
        }
        s = f / r;
        c = g / r;
        g = (d[i + 1] as number) - p;
        const t = ((d[i] as number) - g) * s + 2 * c * b;
        p = s * t;
        d[i + 1] = g + p;
        g = c * t - b;
        turn?.(i, c, s);
      }
      if (i >= l) continue;
      d[l] = (d[l] as number) - p;
      e[l] = g;
      e[m] = 0;
    }
}
