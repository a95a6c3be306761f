import type { Picture } from "./picture.ts";

/** Keys' cubic, a = -1/2. */
function cubic(t: number): number {
  const x = Math.abs(t);
  if (x >= 2) return 0;
  return x < 1 ? 1.5 * x ** 3 - 2.5 * x ** 2 + 1 : -0.5 * x ** 3 + 2.5 * x ** 2 - 4 * x + 2;
}

/** The picture s times as large, by bicubic interpolation with half-sample mirrored borders: what a viewer would show. */
export function enlarge(p: Picture, s: number): Picture {
  const rows = axis(p.data, p.height, p.width * p.channels, s);
  const [height, width] = [p.height * s, p.width * s];
  const data = new Float32Array(height * width * p.channels);
  const line = p.width * p.channels;
  for (let y = 0; y < height; y++)
    data.set(axis(rows.subarray(y * line, (y + 1) * line), p.width, p.channels, s), y * width * p.channels);
  return { ...p, width, height, data };
}

/** Interpolates along the slow axis of [n, run]. */
function axis(x: Float32Array, n: number, run: number, s: number): Float32Array {
  const out = new Float32Array(n * s * run);
  for (let o = 0; o < n * s; o++) {
    const at = (o + 0.5) / s - 0.5;
    const first = Math.floor(at) - 1;
    for (let k = 0; k < 4; k++) {
      const weight = cubic(at - first - k);
      const mirrored = first + k < 0 ? -1 - first - k : first + k;
      const from = Math.max(0, mirrored >= n ? 2 * n - 1 - mirrored : mirrored);
      for (let i = 0; i < run; i++)
        out[o * run + i] = (out[o * run + i] as number) + weight * (x[from * run + i] as number);
    }
  }
  return out;
}
