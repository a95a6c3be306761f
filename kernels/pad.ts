import wgsl from "../shaders/pad.wgsl";
import wgslVjp from "../shaders/pad_vjp_x.wgsl";
import { ShapeError } from "../src/errors.ts";
import { grid1d, type Inputs, kernel, lanesFor } from "../src/tensor/kernel.ts";
import { op } from "../src/tensor/op.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { channels, nhwc } from "./nhwc.ts";

const MODES = ["zero", "reflect", "replicate", "circular"] as const;
/** What lies outside the image: a constant, its mirror image (edge not repeated), its edge, or itself again. */
export type PadMode = (typeof MODES)[number];
type Pair = readonly [number, number];

interface Options {
  /** Height and width of the output. */
  size: Pair;
  /** Row and column of the input that the first output is taken from. */
  origin: Pair;
  /** Rows and columns of the input from one output to the next. */
  step?: number | Pair;
  mode?: PadMode;
  value?: number;
}
const sizes = (x: Tensor, [Ho, Wo]: Pair) => {
  const [N, H, W] = x.shape as [number, number, number];
  const lanes = lanesFor(channels(x));
  return { n: (N * Ho * Wo * channels(x)) / lanes, C: channels(x) / lanes, H, W };
};
const run = kernel<Options>({
  wgsl,
  params({ x }, { size, origin: [oy, ox], step = 1, value = 0 }) {
    const [sy, sx] = typeof step === "number" ? [step, step] : step;
    return { ...sizes(x, size), Ho: size[0], Wo: size[1], oy, ox, sy, sx, value };
  },
  shapes: ({ x }, { size }) => ({ y: [x.shape[0], ...size, x.shape[3]] }),
  grid: ({ x }, { size }, wg) => grid1d(sizes(x, size).n, wg),
  lanes: ({ x }) => lanesFor(channels(x)),
  overrides: (_, { mode = "zero" }) => ({ MODE: MODES.indexOf(mode) }),
  complex: true,
});
/** The raw gather, without a gradient: rows and columns by an affine index map, and `mode` outside. */
export const gather = (x: Tensor, options: Options): Tensor => run({ x } as Inputs, options).y as Tensor;

const runFold = kernel<Options>({
  wgsl: wgslVjp,
  params({ dy }, { size, origin }) {
    const { n, C, H: Ho, W: Wo } = sizes(dy, size);
    return { n, C, W: size[1], H: size[0], Wo, Ho, top: -origin[0], left: -origin[1] };
  },
  shapes: ({ dy }, { size }) => ({ dx: [dy.shape[0], ...size, dy.shape[3]] }),
  grid: ({ dy }, { size }, wg) => grid1d(sizes(dy, size).n, wg),
  lanes: ({ dy }) => lanesFor(channels(dy)),
  overrides: (_, { mode = "zero" }) => ({ MODE: MODES.indexOf(mode) }),
  complex: true,
});

/** Crops and zero padding alike are windows on the plane; the adjoint of a window is the window back. */
const window = op<Options & { from: Pair }>({
  name: "pad",
  forward: ([x], options) => ({ out: gather(x as Tensor, options) }),
  vjp: (dy, _, { from, size, origin: [oy, ox] }): Tensor[] => [
    window([dy], { from: size, size: from, origin: [-oy, -ox] }),
  ],
});
const extend = op<Options & { from: Pair }>({
  name: "pad",
  forward: ([x], options) => ({ out: gather(x as Tensor, options) }),
  vjp: (dy, _, { from, size, ...rest }): Tensor[] => [fold([dy], { ...rest, from: size, size: from })],
});
const fold = op<Options & { from: Pair }>({
  name: "fold",
  forward: ([dy], options) => ({ out: runFold({ dy } as Inputs, options).dx as Tensor }),
  vjp: (dx, _, { from, size, ...rest }): Tensor[] => [extend([dx], { ...rest, from: size, size: from })],
});

/** The image within a border of [top, bottom, left, right] pixels. `value` fills the border in mode "zero". */
export function pad(
  x: Tensor,
  border: readonly [number, number, number, number],
  mode: PadMode = "zero",
  value = 0,
): Tensor {
  const [, H, W] = nhwc("pad", x);
  const [top, bottom, left, right] = border;
  if (border.some((p) => !Number.isInteger(p) || p < 0))
    throw new RangeError(`pad: expected 4 widths from 0 up, got [${border}]; crop() takes away`);
  if (!MODES.includes(mode)) throw new TypeError(`pad: mode must be one of ${MODES.join(", ")}, got ${mode}`);
  const options: Options & { from: Pair } = {
    from: [H, W],
    size: [H + top + bottom, W + left + right],
    origin: [-top, -left],
    mode,
    value,
  };
  return mode === "zero" ? window([x], options) : extend([x], options);
}

/** The adjoint of `pad`: what stands in the border is added to the pixels that it was taken from. */
export function unpad(y: Tensor, border: readonly [number, number, number, number], mode: PadMode = "zero"): Tensor {
  const [, H, W] = nhwc("unpad", y);
  const [top, bottom, left, right] = border;
  const size: Pair = [H - top - bottom, W - left - right];
  if (border.some((p) => !Number.isInteger(p) || p < 0) || size[0] < 1 || size[1] < 1)
    throw new ShapeError(`unpad: a border of [${border}] leaves nothing of [${y.shape}]`);
  const options: Options & { from: Pair } = { from: [H, W], size, origin: [-top, -left], mode };
  return mode === "zero" ? crop(y, [top, left, ...size]) : fold([y], options);
}

/** The h x w pixels from row top and column left on. */
export function crop(x: Tensor, [top, left, h, w]: readonly [number, number, number, number]): Tensor {
  const [, H, W] = nhwc("crop", x);
  if (
    ![top, left, h, w].every(Number.isInteger) ||
    top < 0 ||
    left < 0 ||
    h < 1 ||
    w < 1 ||
    top + h > H ||
    left + w > W
  )
    throw new ShapeError(
      `crop: rows ${top} to ${top + h} and columns ${left} to ${left + w} do not lie in [${[H, W]}]`,
    );
  return window([x], { from: [H, W], size: [h, w], origin: [top, left] });
}
