import foldWgsl from "../shaders/prox_aliased_fold.wgsl";
import spreadWgsl from "../shaders/prox_aliased_spread.wgsl";
import { ShapeError } from "../src/errors.ts";
import { grid1d, kernel } from "../src/tensor/kernel.ts";
import { type Maybe, op } from "../src/tensor/op.ts";
import { scope } from "../src/tensor/scope.ts";
import { type Shape, sizeOf } from "../src/tensor/shape.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { lincomb } from "./lincomb.ts";
import { checkOtf, keptSpectrum } from "./prox_fourier.ts";
import { proxScale } from "./prox_scale.ts";
import { irfft2, rfft2 } from "./rfft.ts";

interface Options {
  /** Of the picture and of the measurement: [N, H, W, C]. */
  high: Shape;
  low: Shape;
  factor: number;
  s: number;
  r: number;
}
const halfOf = ([n, h, w, c]: Shape): Shape => [
  n as number,
  Math.floor((h as number) / 2) + 1,
  w as number,
  c as number,
];
const common = (b: Tensor, { high, low }: Options) => {
  const [M, H, W, D] = b.shape as [number, number, number, number];
  return { h: low[1] as number, w: low[2] as number, H, W, C: high[3] as number, D, M };
};

const fold = kernel<Options & { sign: 1 | -1 }>({
  wgsl: foldWgsl,
  params: ({ b }, o) => ({ n: sizeOf(halfOf(o.low)), ...common(b, o), f: o.factor, sign: o.sign, s: o.s, r: o.r }),
  shapes: (_, { low }) => ({ t: halfOf(low) }),
  grid: (_, { low }, wg) => grid1d(sizeOf(halfOf(low)), wg),
  overrides: ({ y, v }) => ({ HAS_Y: Number(Boolean(y)), HAS_V: Number(Boolean(v)) }),
});
const spread = kernel<Options>({
  wgsl: spreadWgsl,
  params: ({ b }, o) => ({ n: sizeOf(halfOf(o.high)), ...common(b, o) }),
  shapes: (_, { high }) => ({ x: halfOf(high) }),
  grid: (_, { high }, wg) => grid1d(sizeOf(halfOf(high)), wg),
});

const noOtf = (): never => {
  throw new TypeError("proxAliased: it has no gradient for the otf");
};

function correct(b: Tensor, y: Maybe, v: Maybe, o: Options): Tensor {
  const { t } = fold({ b, y: y && keptSpectrum(y), v: v && rfft2(v) }, { ...o, sign: -1 });
  const add = irfft2(spread({ b, t }, o).x as Tensor, { height: o.high[1] as number });
  return v ? lincomb(1, v, 1, add) : add;
}

const apply = op<Options>({
  name: "proxAliased",
  forward: ([b, y, v], o) => ({ out: scope(() => correct(b as Tensor, y, v, o)), saved: [b] }),
  // 1 - A^T (A A^T + rho)^-1 A is symmetric
  vjp: (dx, [b]: [Tensor], o, needs): (Tensor | null)[] => [
    needs[0] ? noOtf() : null,
    needs[1] ? dual([b, dx], o) : null,
    needs[2] ? apply([b, undefined, dx], o) : null,
  ],
});

/** (A A^T + rho)^-1 A: the adjoint of what y adds. */
const dual = op<Options>({
  name: "proxAliasedDual",
  forward: ([b, u], o) => ({
    out: scope(() => {
      const { t } = fold({ b, v: rfft2(u as Tensor) }, { ...o, sign: 1 });
      return irfft2(t as Tensor, { height: o.low[1] as number });
    }),
    saved: [b],
  }),
  vjp: (dy, [b]: [Tensor], o, needs): (Tensor | null)[] => [
    needs[0] ? noOtf() : null,
    needs[1] ? apply([b, dy, undefined], o) : null,
  ],
});

/**
 * argmin ½|Ax - y|² + (rho/2)|x - v|² for A = a circular blur, then one pixel of each factor x factor block (the first):
 *   x = v + A^T (A A^T + rho)^-1 (y - A v)
 * where A A^T is diagonal in the Fourier domain [Zhao 2016]. rho may be 0 (A A^T inverted where it can be) or Infinity.
 */
export function proxAliased(operands: { otf: Tensor; y: Tensor; v: Tensor; rho: number; factor: number }): Tensor {
  const { otf, y, v, rho, factor } = operands;
  checkOtf("proxAliased", otf, v);
  const [n, h, w, c] = v.shape as [number, number, number, number];
  const low = [n, h / factor, w / factor, c];
  if (y.dtype !== "f32" || v.dtype !== "f32" || y.shape.length !== 4 || low.some((size, i) => size !== y.shape[i]))
    throw new ShapeError(
      `proxAliased: expected y f32 [${low}] for v f32 [${v.shape}] and factor ${factor}, got ${y.dtype} [${y.shape}], v ${v.dtype}`,
    );
  return apply([otf, y, v], { high: v.shape, low, factor, ...proxScale("proxAliased", rho) });
}
