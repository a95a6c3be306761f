/** Pooling windows over [N, H, W, C] in plain loops, as PyTorch counts them. */
export interface Case {
  size: number;
  stride?: number;
  padding?: number;
  ceil?: boolean;
}

export function pooledSize(length: number, { size, stride = size, padding = 0, ceil = false }: Case): number {
  const count = Math.floor((length + 2 * padding - size + (ceil ? stride - 1 : 0)) / stride) + 1;
  return ceil && (count - 1) * stride >= length + padding ? count - 1 : count;
}

/** Calls f(index of y, indices of the pixels of its window that lie in x, in rows). */
export function windows(shape: readonly number[], c: Case, f: (y: number, pixels: number[]) => void): void {
  const [N, H, W, C] = shape as [number, number, number, number];
  const { size, stride = size, padding = 0 } = c;
  const [Ho, Wo] = [pooledSize(H, c), pooledSize(W, c)];
  for (let n = 0; n < N; n++)
    for (let i = 0; i < Ho; i++)
      for (let j = 0; j < Wo; j++)
        for (let k = 0; k < C; k++) {
          const pixels: number[] = [];
          for (let a = i * stride - padding; a < i * stride - padding + size; a++)
            for (let b = j * stride - padding; b < j * stride - padding + size; b++)
              if (a >= 0 && a < H && b >= 0 && b < W) pixels.push(((n * H + a) * W + b) * C + k);
          f(((n * Ho + i) * Wo + j) * C + k, pixels);
        }
}

export const pooledShape = (shape: readonly number[], c: Case): number[] => [
  shape[0] as number,
  pooledSize(shape[1] as number, c),
  pooledSize(shape[2] as number, c),
  shape[3] as number,
];

/** What `value` holds at the first largest pixel of each window of x; and dy carried back there. */
export function maxPool(x: ArrayLike<number>, shape: readonly number[], c: Case, value = x): Float64Array {
  const y = new Float64Array(pooledShape(shape, c).reduce((a, b) => a * b, 1));
  windows(shape, c, (o, pixels) => {
    y[o] = value[largest(x, pixels)] as number;
  });
  return y;
}
export function maxPoolVjp(x: ArrayLike<number>, shape: readonly number[], c: Case, dy: ArrayLike<number>) {
  const dx = new Float64Array(x.length);
  windows(shape, c, (o, pixels) => {
    const i = largest(x, pixels);
    dx[i] = (dx[i] as number) + (dy[o] as number);
  });
  return dx;
}
const largest = (x: ArrayLike<number>, pixels: readonly number[]): number =>
  pixels.reduce((best, i) => ((x[i] as number) > (x[best] as number) ? i : best));
