/** Discrete Fourier transforms in float64 on the host, for tables and point spread functions. Complex, interleaved. */

/** exp(-2 pi i k / n), k < n. */
export function roots(n: number): Float64Array {
  const w = new Float64Array(2 * n);
  for (let k = 0; k < n; k++) {
    w[2 * k] = Math.cos((2 * Math.PI * k) / n);
    w[2 * k + 1] = -Math.sin((2 * Math.PI * k) / n);
  }
  return w;
}

const smallestFactor = (n: number): number => {
  for (let p = 2; p * p <= n; p++) if (n % p === 0) return p;
  return n;
};

/** The transform of n numbers, any n: O(n) times the sum of its prime factors. */
export function dft(x: Float64Array): Float64Array {
  return step(x, roots(x.length / 2), 1);
}

// `every`: stride of the twiddles of this length in the table of the whole
function step(x: Float64Array, w: Float64Array, every: number): Float64Array {
  const n = x.length / 2;
  if (n === 1) return x.slice();
  const p = smallestFactor(n);
  const m = n / p;
  const parts = Array.from({ length: p }, (_, q) => {
    const part = new Float64Array(2 * m);
    for (let j = 0; j < m; j++) {
      part[2 * j] = x[2 * (j * p + q)] as number;
      part[2 * j + 1] = x[2 * (j * p + q) + 1] as number;
    }
    return step(part, w, every * p);
  });
  const out = new Float64Array(2 * n);
  for (let k = 0; k < n; k++) {
    let re = 0;
    let im = 0;
    parts.forEach((part, q) => {
      const t = 2 * every * ((k * q) % n);
      const [c, s] = [w[t] as number, w[t + 1] as number];
      const [a, b] = [part[2 * (k % m)] as number, part[2 * (k % m) + 1] as number];
      re += a * c - b * s;
      im += a * s + b * c;
    });
    out[2 * k] = re;
    out[2 * k + 1] = im;
  }
  return out;
}

/** The transform of h rows of w numbers along both axes. */
export function dft2(x: Float64Array, h: number, w: number): Float64Array {
  const out = new Float64Array(2 * h * w);
  for (let y = 0; y < h; y++) out.set(dft(x.subarray(2 * y * w, 2 * (y + 1) * w)), 2 * y * w);
  const line = new Float64Array(2 * h);
  for (let c = 0; c < w; c++) {
    for (let y = 0; y < h; y++) line.set(out.subarray(2 * (y * w + c), 2 * (y * w + c) + 2), 2 * y);
    const done = dft(line);
    for (let y = 0; y < h; y++) out.set(done.subarray(2 * y, 2 * y + 2), 2 * (y * w + c));
  }
  return out;
}
