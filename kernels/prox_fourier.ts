import wgsl from "../shaders/prox_fourier.wgsl";
import { ShapeError } from "../src/errors.ts";
import { grid1d, kernel } from "../src/tensor/kernel.ts";
import { derived, op } from "../src/tensor/op.ts";
import { scope } from "../src/tensor/scope.ts";
import { sameShape } from "../src/tensor/shape.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { fft2, ifft2, picture } from "./fft.ts";
import { lincomb } from "./lincomb.ts";
import { proxScale } from "./prox_scale.ts";
import { irfft2, rfft2 } from "./rfft.ts";

interface Options {
  solve: boolean;
  /** The adjoint in y: of the solve with B for conj(B), of the blur with conj(B) for B. */
  adjoint: boolean;
  s: number;
  r: number;
}

const pointwise = kernel<Options>({
  wgsl,
  params({ b, y, v }, { s, r }) {
    const x: Tensor = y ?? v;
    const [, h, w, C] = x.shape as [number, number, number, number];
    const [M, bh, bw, D] = b.shape;
    return { n: x.size, size: h * w, full: bh * bw, C, D, M, s, r };
  },
  shapes: ({ y, v }) => ({ x: (y ?? v).shape }),
  grid: ({ y, v }, _, wg) => grid1d((y ?? v).size, wg),
  overrides: ({ y, v }, { solve, adjoint }) => ({
    SOLVE: Number(solve),
    CONJ: Number(solve !== adjoint),
    HAS_Y: Number(Boolean(y)),
    HAS_V: Number(Boolean(v)),
  }),
});

/** The spectrum of pictures: half of it where they are real. */
export const spectrum = (x: Tensor): Tensor => (x.dtype === "c64" ? fft2(x) : rfft2(x));
/** The spectrum of measurements, which solvers ask for at every step: kept with them. */
export const keptSpectrum = (y: Tensor): Tensor => derived(y, "spectrum", () => scope(() => spectrum(y)));

const apply = op<Options>({
  name: "proxFourier",
  forward([b, y, v], options) {
    const like = (y ?? v) as Tensor;
    const out = scope(() => {
      // measurements stay from step to step; what is blurred, and a cotangent, does not
      const of = options.solve && !options.adjoint ? keptSpectrum : spectrum;
      const x = pointwise({ b, y: y && of(y), v: v && spectrum(v) }, options).x as Tensor;
      return like.dtype === "c64" ? ifft2(x) : irfft2(x, { height: like.shape[1] as number });
    });
    return { out, saved: [b] };
  },
  vjp(dx, [b]: [Tensor], o, needs): (Tensor | null)[] {
    if (needs[0]) throw new TypeError("proxFourier: it has no gradient for the otf; write the blur in fft2 and mul");
    return [
      null,
      needs[1] ? apply([b, dx, undefined], { ...o, adjoint: !o.adjoint }) : null,
      needs[2] ? apply([b, undefined, dx], o) : null,
    ];
  },
});

/** Checks that the OTF is one for pictures like x: of full extent, for one or all of the batch and of the channels. */
export function checkOtf(name: string, otf: Tensor, x: Tensor): void {
  const [n, h, w, c] = picture(name, x).shape;
  const [m, oh, ow, d] = otf.shape;
  if (
    otf.dtype !== "c64" ||
    otf.shape.length !== 4 ||
    oh !== h ||
    ow !== w ||
    ![1, n].includes(m) ||
    ![1, c].includes(d)
  )
    throw new ShapeError(
      `${name}: expected an otf c64 [1 | N, ${h}, ${w}, 1 | C] for pictures [${x.shape}], got ${otf.dtype} [${otf.shape}]`,
    );
}

/**
 * argmin ½|Bx - y|² + (rho/2)|x - v|² for a circular blur B, given by its optical transfer function:
 *   X = (conj(B) Y + rho V) / (|B|² + rho)
 * Real pictures take the OTF of a real kernel. rho may be 0 (X = V where B = 0) or Infinity.
 */
export function proxFourier({ otf, y, v, rho }: { otf: Tensor; y: Tensor; v: Tensor; rho: number }): Tensor {
  checkOtf("proxFourier", otf, v);
  if (!sameShape(y.shape, v.shape) || y.dtype !== v.dtype)
    throw new ShapeError(`proxFourier: y is ${y.dtype} [${y.shape}], v ${v.dtype} [${v.shape}]; they must be alike`);
  const scale = proxScale("proxFourier", rho);
  if (scale.s === 0) return lincomb(1, v);
  return apply([otf, y, v], { solve: true, adjoint: false, ...scale });
}

/** The circular convolution B x of pictures by an optical transfer function, or B^H x. */
export function convolve(x: Tensor, otf: Tensor, { adjoint = false }: { adjoint?: boolean } = {}): Tensor {
  checkOtf("convolve", otf, x);
  return apply([otf, x, undefined], { solve: false, adjoint, s: 1, r: 0 });
}
