import mergeWgsl from "../shaders/fft_merge.wgsl";
import splitWgsl from "../shaders/fft_split.wgsl";
import { ShapeError } from "../src/errors.ts";
import { grid1d, kernel } from "../src/tensor/kernel.ts";
import { op } from "../src/tensor/op.ts";
import { scope } from "../src/tensor/scope.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { type Norm, picture, scaleOf, transform } from "./fft.ts";
import { crop, pad } from "./pad.ts";
import { asComplex, asReal, reshape } from "./reshape.ts";

type Picture = [number, number, number, number];

/** Pictures of n rows, and of `columns` real columns: pixels times channels. */
interface Halves {
  pictures: number;
  n: number;
  columns: number;
  inside: number;
}
const halfOf = (n: number) => Math.floor(n / 2) + 1;
const halvesParams = ({ n, columns, inside }: Halves) => ({
  n,
  h: halfOf(n),
  pairs: Math.ceil(columns / 2),
  columns,
  inside,
});
const pairs = ({ pictures, columns }: Halves, height: number) => pictures * height * Math.ceil(columns / 2);

const split = kernel<Halves>({
  wgsl: splitWgsl,
  params: (_, o) => ({ total: pairs(o, halfOf(o.n)), ...halvesParams(o) }),
  shapes: (_, { pictures, n, columns }) => ({ y: [pictures, halfOf(n), columns] }),
  grid: (_, o, wg) => grid1d(pairs(o, halfOf(o.n)), wg),
});
const merge = kernel<Halves>({
  wgsl: mergeWgsl,
  params: (_, o) => ({ total: pairs(o, o.n), ...halvesParams(o) }),
  shapes: (_, { pictures, n, columns }) => ({ z: [pictures, n, Math.ceil(columns / 2)] }),
  grid: (_, o, wg) => grid1d(pairs(o, o.n), wg),
});

interface Real {
  height: number;
  scale: number;
  /** Weight of what stands for its mirror image too: the adjoint of a half spectrum counts it once, not twice. */
  inside: number;
}

function forward(x: Tensor, { height, scale, inside }: Real): Tensor {
  const [pictures, , w, c] = x.shape as Picture;
  const columns = w * c;
  // where columns are even in number, neighbours are re and im of one complex column already: nothing is moved
  const y = scope(() => {
    const even = columns % 2 ? pad(reshape(x, [pictures, height, columns, 1]), [0, 0, 0, 1]) : x;
    const z = transform(asComplex(reshape(even, [pictures, height, -1, 2])), [1], false, 1);
    return split({ z }, { pictures, n: height, columns, inside }).y as Tensor;
  });
  return transform(reshape(y, [pictures, halfOf(height), w, c]), [2], false, scale);
}

function backward(x: Tensor, { height, scale, inside }: Real): Tensor {
  const [pictures, , w, c] = x.shape as Picture;
  const columns = w * c;
  const z = scope(() => merge({ x: transform(x, [2], true, 1) }, { pictures, n: height, columns, inside }).z as Tensor);
  const y = asReal(transform(z, [1], true, scale));
  const out = columns % 2 ? crop(reshape(y, [pictures, height, columns + 1, 1]), [0, 0, height, columns]) : y;
  return reshape(out, [pictures, height, w, c]);
}

const apply = op<Real>({
  name: "rfft2",
  forward: ([x], options) => ({ out: scope(() => forward(x as Tensor, options)) }),
  vjp: (dy, _, o): Tensor[] => [applyInverse([dy], { ...o, inside: o.inside / 2 })],
});
const applyInverse = op<Real>({
  name: "irfft2",
  forward: ([x], options) => ({ out: scope(() => backward(x as Tensor, options)) }),
  vjp: (dy, _, o): Tensor[] => [apply([dy], { ...o, inside: 2 * o.inside })],
});

/**
 * The half spectrum [N, floor(H/2) + 1, W, C] of real pictures [N, H, W, C]; the rest is its conjugate mirror image,
 * X[H-k, W-l] = conj X[k, l]. The halved axis is H: columns pair up in memory as they are.
 */
export function rfft2(x: Tensor, { norm = "backward" }: { norm?: Norm } = {}): Tensor {
  const [, h, w] = picture("rfft2", x).shape as Picture;
  if (x.dtype !== "f32")
    throw new ShapeError(`rfft2: expected f32, got ${x.dtype}; cast f16, and use fft2 for complex pictures`);
  return apply([x], { height: h, scale: scaleOf(h * w, false, norm), inside: 1 });
}

/** The real pictures, `height` high, of half spectra. */
export function irfft2(x: Tensor, { height, norm = "backward" }: { height: number; norm?: Norm }): Tensor {
  const [, half, w] = picture("irfft2", x).shape as Picture;
  if (x.dtype !== "c64" || halfOf(height) !== half)
    throw new ShapeError(
      `irfft2: expected c64 [N, ${halfOf(height)}, W, C] for pictures ${height} high, got ${x.dtype} [${x.shape}]`,
    );
  return applyInverse([x], { height, scale: scaleOf(height * w, true, norm), inside: 1 });
}
