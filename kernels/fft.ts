import wgsl from "../shaders/fft.wgsl";
import chirpWgsl from "../shaders/fft_chirp.wgsl";
import { ShapeError } from "../src/errors.ts";
import { grid1d, kernel } from "../src/tensor/kernel.ts";
import { op } from "../src/tensor/op.ts";
import { scope } from "../src/tensor/scope.ts";
import { sizeOf } from "../src/tensor/shape.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { factorTable, type Pass, passes, rootTable } from "./fft_plan.ts";
import { reshape } from "./reshape.ts";
import { roll } from "./roll.ts";

/** Lines along an axis: `lines` of them times `inner` side by side; the last pass multiplies by `scale`. */
interface Lines {
  lines: number;
  inner: number;
  scale: number;
}
type Of<K extends Pass["kind"]> = Lines & { pass: Extract<Pass, { kind: K }> };

const invocations = ({ lines, inner, pass: { n, radix } }: Of<"radix">) => lines * (n / radix) * inner;
const radixPass = kernel<Of<"radix">>({
  wgsl,
  consts: (_, { pass }) => ({ RADIX: pass.radix }),
  params: (_, o) => {
    const { n, s, radix, inverse } = o.pass;
    const m = n / radix;
    return { total: invocations(o), inner: o.inner, m, s, step: m / s, inverse: Number(inverse), scale: o.scale };
  },
  shapes: (_, { lines, inner, pass }) => ({ y: [lines, pass.n, inner] }),
  grid: (_, o, wg) => grid1d(invocations(o), wg),
});
const chirpPass = kernel<Of<"chirp">>({
  wgsl: chirpWgsl,
  params: (_, { lines, inner, scale, pass: { have, keep, conjugate } }) => ({
    total: lines * keep * inner,
    inner,
    have,
    keep,
    flip: conjugate ? -1 : 1,
    scale,
  }),
  shapes: (_, { lines, inner, pass }) => ({ y: [lines, pass.keep, inner] }),
  grid: (_, { lines, inner, pass }, wg) => grid1d(lines * pass.keep * inner, wg),
});

/** The transform of x along an axis of n numbers, unnormalised but for the scale, in the shape [lines, n, inner]. */
function along(x: Tensor, n: number, inverse: boolean, { lines, inner, scale }: Lines): Tensor {
  const on = x.storage.gpu;
  let now = x;
  passes(n, inverse).forEach((pass, i, list) => {
    const o = { lines, inner, scale: i === list.length - 1 ? scale : 1 };
    const next =
      pass.kind === "radix"
        ? radixPass({ x: now, w: rootTable(on, pass.n) }, { ...o, pass }).y
        : chirpPass({ x: now, f: factorTable(on, pass.table) }, { ...o, pass }).y;
    if (now !== x) now.dispose();
    now = next as Tensor;
  });
  return now;
}

/** Along one axis of x after another. No gradient; see `fft`. */
export function transform(x: Tensor, axes: readonly number[], inverse: boolean, scale: number): Tensor {
  const { shape } = x;
  const done = axes.reduce((now, axis, i) => {
    const [lines, inner] = [sizeOf(shape.slice(0, axis)), sizeOf(shape.slice(axis + 1))];
    const next = along(now, shape[axis] as number, inverse, { lines, inner, scale: i === axes.length - 1 ? scale : 1 });
    if (now !== x) now.dispose();
    return next;
  }, x);
  const out = reshape(done, shape);
  done.dispose();
  return out;
}

interface Axes {
  axes: readonly number[];
  inverse: boolean;
  scale: number;
}
const apply = op<Axes>({
  name: "fft",
  forward: ([x], { axes, inverse, scale }) => ({ out: scope(() => transform(x as Tensor, axes, inverse, scale)) }),
  vjp: (dy, _, { axes, inverse, scale }): Tensor[] => [apply([dy], { axes, inverse: !inverse, scale })],
});

export type Norm = "ortho" | "backward";
export interface FftOptions {
  /** Axes to transform, all if left out; negative ones count from the last. */
  axes?: readonly number[];
  inverse?: boolean;
  /** "backward": the inverse divides by the count; "ortho": both by its root. */
  norm?: Norm;
}
/** What a transform of so many numbers is multiplied by. */
export const scaleOf = (count: number, inverse: boolean, norm: Norm) =>
  norm === "ortho" ? count ** -0.5 : inverse ? 1 / count : 1;

/** The discrete Fourier transform of a complex tensor along some axes, of any length. */
export function fft(x: Tensor, { axes, inverse = false, norm = "backward" }: FftOptions = {}): Tensor {
  if (x.dtype !== "c64")
    throw new ShapeError(`fft: expected c64, got ${x.dtype} [${x.shape}]; use rfft2 for real pictures`);
  const rank = x.shape.length;
  const list = (axes ?? x.shape.map((_, i) => i)).map((a) => (a < 0 ? a + rank : a));
  if (
    !list.length ||
    new Set(list).size < list.length ||
    list.some((a) => !(Number.isInteger(a) && a >= 0 && a < rank))
  )
    throw new ShapeError(`fft: axes [${axes}] are not distinct axes of [${x.shape}]`);
  const count = list.reduce((n, a) => n * (x.shape[a] as number), 1);
  return apply([x], { axes: list, inverse, scale: scaleOf(count, inverse, norm) });
}

/** The transform of pictures [N, H, W, C] over H and W. */
export const fft2 = (x: Tensor, { norm }: { norm?: Norm } = {}): Tensor =>
  fft(picture("fft2", x), { axes: [2, 1], norm });
/** The inverse of fft2. */
export const ifft2 = (x: Tensor, { norm }: { norm?: Norm } = {}): Tensor =>
  fft(picture("ifft2", x), { axes: [1, 2], inverse: true, norm });

/** Frequency 0 moved from the corner to the centre, along H and W; `ifftshift` moves it back. */
export const fftshift = (x: Tensor): Tensor => shift(x, 1);
export const ifftshift = (x: Tensor): Tensor => shift(x, -1);

function shift(x: Tensor, sign: 1 | -1): Tensor {
  const [, h, w] = picture("fftshift", x).shape as [number, number, number, number];
  return roll(x, [sign * Math.floor(h / 2), sign * Math.floor(w / 2)]);
}

/** Checks that x is pictures. */
export function picture(name: string, x: Tensor): Tensor {
  if (x.shape.length !== 4) throw new ShapeError(`${name}: expected [N, H, W, C], got [${x.shape}]`);
  return x;
}
