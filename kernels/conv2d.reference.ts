/** Convolution and its two gradients in plain loops and doubles, NHWC, weights [Cout, Cin / groups, kh, kw]. */
export interface Case {
  x: readonly [N: number, H: number, W: number, C: number];
  w: readonly [Cout: number, CinPerGroup: number, KH: number, KW: number];
  stride?: readonly [number, number];
  padding?: readonly [top: number, bottom: number, left: number, right: number];
  groups?: number;
}

export function outputShape({ x: [N, H, W], w: [O, , KH, KW], stride = [1, 1], padding = [0, 0, 0, 0] }: Case) {
  const OH = Math.floor((H + padding[0] + padding[1] - KH) / stride[0]) + 1;
  const OW = Math.floor((W + padding[2] + padding[3] - KW) / stride[1]) + 1;
  return [N, OH, OW, O] as const;
}

/** Calls f(index of y, index of x, index of w) for every product of the sum. */
export function products(c: Case, f: (y: number, x: number, w: number) => void): void {
  const [, H, W, C] = c.x;
  const [O, I, KH, KW] = c.w;
  const { stride = [1, 1], padding = [0, 0, 0, 0], groups = 1 } = c;
  const [N, OH, OW] = outputShape(c);
  for (let n = 0; n < N; n++)
    for (let oy = 0; oy < OH; oy++)
      for (let ky = 0; ky < KH; ky++) {
        const iy = oy * stride[0] + ky - padding[0];
        if (iy < 0 || iy >= H) continue;
        for (let ox = 0; ox < OW; ox++)
          for (let kx = 0; kx < KW; kx++) {
            const ix = ox * stride[1] + kx - padding[2];
            if (ix < 0 || ix >= W) continue;
            const y = ((n * OH + oy) * OW + ox) * O;
            const x = ((n * H + iy) * W + ix) * C;
            for (let o = 0; o < O; o++) {
              const g = Math.floor(o / (O / groups));
              for (let i = 0; i < I; i++) f(y + o, x + g * I + i, ((o * I + i) * KH + ky) * KW + kx);
            }
          }
      }
}

const at = (a: ArrayLike<number>, i: number): number => a[i] as number;
const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

export interface Extra {
  bias?: ArrayLike<number> | undefined;
  residual?: ArrayLike<number> | undefined;
  scale?: number | undefined;
}

export function conv2d(c: Case, x: ArrayLike<number>, w: ArrayLike<number>, { bias, residual, scale = 1 }: Extra = {}) {
  const out = new Float64Array(size(outputShape(c)));
  products(c, (y, i, k) => {
    out[y] = at(out, y) + at(x, i) * at(w, k);
  });
  return out.map((v, i) => scale * (v + (bias ? at(bias, i % c.w[0]) : 0) + (residual ? at(residual, i) : 0)));
}

export function conv2dVjpX(c: Case, dy: ArrayLike<number>, w: ArrayLike<number>) {
  const out = new Float64Array(size(c.x));
  products(c, (y, i, k) => {
    out[i] = at(out, i) + at(dy, y) * at(w, k);
  });
  return out;
}

export function conv2dVjpW(c: Case, x: ArrayLike<number>, dy: ArrayLike<number>) {
  const out = new Float64Array(size(c.w));
  products(c, (y, i, k) => {
    out[k] = at(out, k) + at(x, i) * at(dy, y);
  });
  return out;
}
