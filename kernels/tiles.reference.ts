type Picture = readonly [N: number, H: number, W: number, C: number];

/** Calls visit with each (index in the tiles, index in the picture). */
function each([N, H, W, C]: Picture, tile: number, stride: number, visit: (t: number, p: number) => void): number {
  const [Ty, Tx] = [(H - tile) / stride + 1, (W - tile) / stride + 1];
  let t = 0;
  for (let n = 0; n < N; n++)
    for (let j = 0; j < Ty; j++)
      for (let i = 0; i < Tx; i++)
        for (let v = 0; v < tile; v++)
          for (let u = 0; u < tile; u++)
            for (let c = 0; c < C; c++) visit(t++, ((n * H + j * stride + v) * W + i * stride + u) * C + c);
  return t;
}

export function tiles(x: ArrayLike<number>, picture: Picture, tile: number, stride: number): Float64Array {
  const out: number[] = [];
  each(picture, tile, stride, (t, p) => {
    out[t] = x[p] as number;
  });
  return Float64Array.from(out);
}

export function untile(x: ArrayLike<number>, picture: Picture, tile: number, stride: number): Float64Array {
  const out = new Float64Array(picture.reduce((a, b) => a * b, 1));
  each(picture, tile, stride, (t, p) => {
    out[p] = (out[p] as number) + (x[t] as number);
  });
  return out;
}
