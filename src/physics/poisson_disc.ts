import type { Rng } from "../../kernels/random.ts";

export interface PoissonDiscOptions {
  /** Samples, the centre's included. */
  count: number;
  /** The part of rows and of columns that makes up a full box in the middle. */
  centre: number;
  /** The distance that samples keep is r (1 + spread d), d from 0 in the middle to 1 in the corners. */
  spread: number;
}

/**
 * Points of a grid, none nearer to another than the smaller of their two distances r (1 + spread d), thrown in random order
 * [Cook 1986]; 1 where there is one. r is the largest with which `count` points find a place; what is left over is not thrown.
 */
export function poissonDisc(
  [H, W]: readonly [number, number],
  rng: Rng,
  { count, centre, spread }: PoissonDiscOptions,
): Float32Array {
  if (!(spread >= 0)) throw new RangeError(`mriMask: spread must be 0 or more, got ${spread}`);
  const [h, w] = [Math.round(H * centre), Math.round(W * centre)];
  const [top, left] = [(H - h + 1) >> 1, (W - w + 1) >> 1];
  const inBox = (i: number, j: number) => i >= top && i < top + h && j >= left && j < left + w;
  if (h * w > count)
    throw new RangeError(
      `mriMask: a centre of ${h}x${w} is more than the ${count} samples of ${H}x${W}; give a smaller centre or acceleration`,
    );
  const order = Uint32Array.from({ length: H * W }, (_, i) => i);
  for (let i = order.length - 1; i > 0; i--) {
    const k = rng.integer(0, i);
    const a = order[i] as number;
    order[i] = order[k] as number;
    order[k] = a;
  }
  const thrown = order.filter((at) => !inBox(Math.floor(at / W), at % W));
  const far = Float32Array.from({ length: H * W }, (_, at) => {
    const [y, x] = [(2 * Math.floor(at / W) - H) / H, (2 * (at % W) - W) / W];
    return 1 + spread * Math.hypot(y, x) * Math.SQRT1_2;
  });
  const want = count - h * w;

  /** At most `want` points at distances r, or fewer where no more fit. */
  const fill = (r: number): { data: Float32Array; got: number } => {
    const data = new Float32Array(H * W);
    let got = 0;
    for (const at of thrown) {
      if (got === want) break;
      const own = r * (far[at] as number);
      const reach = Math.ceil(own) - 1; // nothing farther than own can be in the way
      const [y, x] = [Math.floor(at / W), at % W];
      let free = true;
      for (let i = Math.max(0, y - reach); free && i <= Math.min(H - 1, y + reach); i++)
        for (let j = Math.max(0, x - reach); free && j <= Math.min(W - 1, x + reach); j++) {
          if (!data[i * W + j]) continue;
          const apart = Math.min(own, r * (far[i * W + j] as number));
          free = (i - y) ** 2 + (j - x) ** 2 >= apart ** 2;
        }
      if (!free) continue;
      data[at] = 1;
      got++;
    }
    return { data, got };
  };
  // discs of this radius about so many points would overlap
  let [low, high] = [0, want ? 1.5 * Math.sqrt((H * W) / want) : 0];
  for (let k = 0; high > low && k < 20; k++) {
    const middle = (low + high) / 2;
    if (fill(middle).got === want) low = middle;
    else high = middle;
  }
  const { data } = fill(low);
  for (let i = top; i < top + h; i++) data.fill(1, i * W + left, i * W + left + w);
  return data;
}
