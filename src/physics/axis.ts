/** One axis of an operator that treats rows and columns apart: the matrix of a convolution, or of a smaller scale. */
import { type Matrix, matrix } from "../linalg/svd.ts";

/** What a blur sees beyond the border: the other side, the mirror image (edge not repeated), nothing, or it stops before. */
export type Boundary = "circular" | "reflect" | "zero" | "valid";

const modulo = (i: number, n: number) => ((i % n) + n) % n;
/** Where the mirror image of pixel i lies among n, the edge standing once or twice. */
function mirrored(i: number, n: number, twice: boolean): number {
  const period = twice ? 2 * n : Math.max(2 * n - 2, 1);
  const k = modulo(i, period);
  return Math.min(k, (twice ? period - 1 : period) - k);
}

/** The matrix that gives y[i] the sum of its taps' inputs, listed as pairs of place and weight. */
function gathered(rows: number, columns: number, taps: (i: number) => readonly (readonly [number, number])[]): Matrix {
  const data = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++)
    for (const [j, w] of taps(i)) if (j >= 0) data[i * columns + j] = (data[i * columns + j] as number) + w;
  return { rows, columns, data };
}

/** y[i] = sum over a of k[a] x[i - a + floor(size/2)], x continued as the boundary says. */
export function convolution(n: number, k: readonly number[], boundary: Boundary): Matrix {
  const c = Math.floor(k.length / 2);
  const first = boundary === "valid" ? k.length - 1 - c : 0;
  const place = (j: number) => {
    if (boundary === "reflect") return mirrored(j, n, false);
    if (boundary === "circular") return modulo(j, n);
    return j < n ? j : -1;
  };
  return gathered(boundary === "valid" ? n - k.length + 1 : n, n, (i) =>
    k.map((w, a) => [place(i + first - a + c), w] as const),
  );
}

/** Keys' cubic with a = -1/2. */
export function cubic(x: number): number {
  const t = Math.abs(x);
  if (t <= 1) return 1.5 * t ** 3 - 2.5 * t ** 2 + 1;
  return t < 2 ? -0.5 * t ** 3 + 2.5 * t ** 2 - 4 * t + 2 : 0;
}

/** DDRM's bicubic kernel: 4 r taps cubic((i - 2 r + 1/2)/r), from pixel floor(r/2) + r j - 2 r on, mirrored with its edge. */
export function srconv(n: number, r: number): Matrix {
  const taps = Array.from({ length: 4 * r }, (_, i) => cubic((i - 2 * r + 0.5) / r));
  const sum = taps.reduce((a, b) => a + b, 0);
  return gathered(Math.ceil(n / r), n, (j) =>
    taps.map((w, i) => [mirrored(Math.floor(r / 2) + r * (j - 2) + i, n, true), w / sum] as const),
  );
}

/** MATLAB's imresize to 1/r, bicubic and antialiased: cubic((p - q)/r) about p = r (j + 1/2) - 1/2, mirrored with its edge. */
export function imresizeAxis(n: number, r: number): Matrix {
  return gathered(Math.ceil(n / r), n, (j) => {
    const p = r * (j + 0.5) - 0.5;
    const taps = Array.from({ length: Math.ceil(4 * r) + 2 }, (_, i) => {
      const q = Math.floor(p - 2 * r) + i;
      return [mirrored(q, n, true), cubic((p - q) / r)] as const;
    });
    const sum = taps.reduce((a, [, w]) => a + w, 0);
    return taps.map(([q, w]) => [q, w / sum] as const);
  });
}

/** DDRM's taps, which run from -floor(size/2) to floor(size/2) - 1: the last of an odd number is lost. */
export function ddrmTaps(n: number, k: readonly number[]): Matrix {
  const c = Math.floor(k.length / 2);
  return matrix(n, n, (i, j) => (j - i >= -c && j - i < c ? (k[j - i + c] as number) : 0));
}
