import wgsl from "../shaders/fir.wgsl";
import { ShapeError } from "../src/errors.ts";
import { grid1d, kernel, lanesFor } from "../src/tensor/kernel.ts";
import { op } from "../src/tensor/op.ts";
import { Tensor } from "../src/tensor/tensor.ts";
import { channels, natural, nhwc } from "./nhwc.ts";

const MOST = 16;
type Pair = readonly [number, number];
interface Options {
  /** Length of the filter, and its values where it is separable. */
  taps: number;
  values: readonly number[] | undefined;
  /** A filter that is not separable is read from the other end. */
  flip: boolean;
  up: number;
  down: number;
  /** Tap that sample 0 meets at output 0. */
  q: Pair;
  /** Height and width of input and output. */
  from: Pair;
  size: Pair;
}
const vectors = (x: Tensor, { size: [Ho, Wo] }: Options) =>
  ((x.shape[0] as number) * Ho * Wo * channels(x)) / lanesFor(channels(x));

const run = kernel<Options>({
  wgsl,
  params: ({ x }, options) => {
    const { from, size, q, up, down, taps, values = [] } = options;
    const k = Object.fromEntries(Array.from({ length: MOST }, (_, i) => [`k${i}`, values[i] ?? 0]));
    const sizes = { C: channels(x) / lanesFor(channels(x)), W: from[1], H: from[0], Wo: size[1], Ho: size[0] };
    return {
      n: vectors(x, options),
      ...sizes,
      qy: q[0],
      qx: q[1],
      up,
      down,
      taps,
      flip: options.flip ? taps - 1 : 0,
      ...k,
    };
  },
  shapes: ({ x }, { size }) => ({ y: [x.shape[0], ...size, x.shape[3]] }),
  grid: ({ x }, options, wg) => grid1d(vectors(x, options), wg),
  lanes: ({ x }) => lanesFor(channels(x)),
  overrides: (_, { taps, values }) => ({ LONG: taps > 4 ? 1 : 0, TABLE: values ? 0 : 1 }),
  complex: true,
});
const apply = op<Options>({
  name: "upfirdn",
  forward: ([x, k], options) => ({ out: run({ x, k }, options).y as Tensor, saved: [k] }),
  vjp(dy, [k], options, needs): (Tensor | null)[] {
    if (needs[1]) throw new TypeError("upfirdn: it has no gradient for the filter; use conv2d for one that is trained");
    const { up, down, flip, q, from, size, taps, values } = options;
    const back = {
      values: values && [...values].reverse(),
      up: down,
      down: up,
      flip: !flip,
      q: [taps - 1 - q[0], taps - 1 - q[1]] as const,
      from: size,
      size: from,
    };
    return [apply([dy, k], { ...options, ...back }), null];
  },
});

export interface FirOptions {
  up?: number;
  down?: number;
  /** Zeros [before, after] along both axes, after the zeros between samples; negative ones crop. */
  pad?: Pair;
}

/**
 * `up - 1` zeros after every sample, zeros around, true convolution with k, every `down`-th result. k is the factor of a
 * separable filter, up to 16 numbers, or any square one as an f32 tensor [taps, taps]. Nothing is normalised.
 */
export function upfirdn(
  x: Tensor,
  k: readonly number[] | Tensor,
  { up = 1, down = 1, pad: [before, after] = [0, 0] }: FirOptions = {},
): Tensor {
  const [, H, W] = nhwc("upfirdn", x);
  natural("upfirdn", "up", up);
  natural("upfirdn", "down", down);
  const table = k instanceof Tensor ? k : undefined;
  if (table && (table.shape.length !== 2 || table.shape[0] !== table.shape[1]))
    throw new ShapeError(`upfirdn: the filter must be square, [taps, taps], got [${table.shape}]`);
  const values = k instanceof Tensor ? undefined : k;
  if (values && (!values.length || values.length > MOST))
    throw new RangeError(
      `upfirdn: a filter given as numbers has 1 to ${MOST} of them, got ${values.length}; give a tensor [taps, taps]`,
    );
  const taps = values?.length ?? (table?.shape[0] as number);
  const length = (n: number) => Math.floor((n * up + before + after - taps) / down) + 1;
  const size: Pair = [length(H), length(W)];
  if (size.some((n) => !(n >= 1)))
    throw new ShapeError(`upfirdn: [${[H, W]}] with pads ${before} and ${after} is smaller than the ${taps} taps`);
  const q = taps - 1 - before;
  return apply([x, table], { taps, values, flip: false, up, down, q: [q, q], from: [H, W], size });
}

const normalised = (k: readonly number[], gain = 1): number[] => {
  const sum = k.reduce((a, b) => a + b, 0);
  return k.map((v) => (gain * v) / sum);
};

/** Filtered, then every `factor`-th pixel: score_sde's `downsample_2d`, and EDM's `down` (k of even length). */
export function firDown(x: Tensor, k: readonly number[] = [1, 3, 3, 1], factor = 2): Tensor {
  const p = k.length - factor;
  return upfirdn(x, normalised(k), { down: factor, pad: [Math.ceil(p / 2), Math.floor(p / 2)] });
}

/** Zeros between pixels, filtered, brightness kept: score_sde's `upsample_2d`, and EDM's `up` (k of even length). */
export function firUp(x: Tensor, k: readonly number[] = [1, 3, 3, 1], factor = 2): Tensor {
  const p = k.length - factor;
  return upfirdn(x, normalised(k, factor), { up: factor, pad: [Math.ceil(p / 2) + factor - 1, Math.floor(p / 2)] });
}

/** Filtered at full size, one pixel larger: what a 3x3 convolution of stride 2 without padding turns into a smooth downsampling. */
export function firBeforeConv(x: Tensor, k: readonly number[] = [1, 3, 3, 1]): Tensor {
  return upfirdn(x, normalised(k), { pad: [Math.ceil(k.length / 2), Math.floor(k.length / 2)] });
}
