/** Group normalisation and its gradient in plain loops and doubles. x [N, HW, C], already concatenated. */
export interface Reference {
  N: number;
  HW: number;
  C: number;
  groups: number;
  eps?: number;
  silu?: boolean;
  gamma?: ArrayLike<number>;
  beta?: ArrayLike<number>;
  /** [N, C] */
  scale?: ArrayLike<number>;
  shift?: ArrayLike<number>;
}
const at = (a: ArrayLike<number> | undefined, i: number, otherwise: number): number =>
  a ? (a[i] as number) : otherwise;
const sigmoid = (z: number): number => 1 / (1 + Math.exp(-z));

/** Normalised x, and 1 / sqrt(v + eps) for each element. */
function normalised(x: ArrayLike<number>, { N, HW, C, groups, eps = 1e-5 }: Reference) {
  const D = C / groups;
  const xh = new Float64Array(x.length);
  const r = new Float64Array(N * groups);
  for (let n = 0; n < N; n++)
    for (let g = 0; g < groups; g++) {
      const each = (fn: (i: number) => void) => {
        for (let p = 0; p < HW; p++) for (let e = 0; e < D; e++) fn((n * HW + p) * C + g * D + e);
      };
      let mean = 0;
      each((i) => (mean += (x[i] as number) / (HW * D)));
      let v = 0;
      each((i) => (v += ((x[i] as number) - mean) ** 2 / (HW * D)));
      const rg = 1 / Math.sqrt(v + eps);
      each((i) => (xh[i] = ((x[i] as number) - mean) * rg));
      r[n * groups + g] = rg;
    }
  return { xh, r };
}

export function groupNorm(x: ArrayLike<number>, of: Reference): Float64Array {
  const { HW, C, gamma, beta, scale, shift, silu } = of;
  return normalised(x, of).xh.map((h, i) => {
    const c = i % C;
    const nc = Math.floor(i / (HW * C)) * C + c;
    const z = (h * at(gamma, c, 1) + at(beta, c, 0)) * (1 + at(scale, nc, 0)) + at(shift, nc, 0);
    return silu ? z * sigmoid(z) : z;
  });
}

/** Gradients of <dy, groupNorm(x)>. */
export function groupNormVjp(x: ArrayLike<number>, dy: ArrayLike<number>, of: Reference) {
  const { N, HW, C, groups, gamma, beta, scale, shift, silu } = of;
  const D = C / groups;
  const { xh, r } = normalised(x, of);
  const out = {
    dx: new Float64Array(x.length),
    dgamma: new Float64Array(C),
    dbeta: new Float64Array(C),
    dscale: new Float64Array(N * C),
    dshift: new Float64Array(N * C),
  };
  const dxh = new Float64Array(x.length);
  const m1 = new Float64Array(N * groups);
  const m2 = new Float64Array(N * groups);
  const group = (i: number) => Math.floor(i / (HW * C)) * groups + Math.floor((i % C) / D);
  for (let i = 0; i < x.length; i++) {
    const c = i % C;
    const nc = Math.floor(i / (HW * C)) * C + c;
    const h = xh[i] as number;
    const u = h * at(gamma, c, 1) + at(beta, c, 0);
    const s1 = 1 + at(scale, nc, 0);
    const z = u * s1 + at(shift, nc, 0);
    const s = sigmoid(z);
    const dz = (dy[i] as number) * (silu ? s + z * s * (1 - s) : 1);
    const add = (a: Float64Array, k: number, value: number) => {
      a[k] = (a[k] as number) + value;
    };
    add(out.dshift, nc, dz);
    add(out.dscale, nc, dz * u);
    add(out.dgamma, c, dz * s1 * h);
    add(out.dbeta, c, dz * s1);
    dxh[i] = dz * s1 * at(gamma, c, 1);
    add(m1, group(i), (dxh[i] as number) / (HW * D));
    add(m2, group(i), ((dxh[i] as number) * h) / (HW * D));
  }
  for (let i = 0; i < x.length; i++) {
    const g = group(i);
    out.dx[i] = (r[g] as number) * ((dxh[i] as number) - (m1[g] as number) - (xh[i] as number) * (m2[g] as number));
  }
  return out;
}
