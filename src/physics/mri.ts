import { mul } from "../../kernels/broadcast.ts";
import { conjMul } from "../../kernels/complex.ts";
import { sqrt } from "../../kernels/elementwise.ts";
import { fft2, ifft2 } from "../../kernels/fft.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { proxMask } from "../../kernels/prox_mask.ts";
import { sum, sumSquares } from "../../kernels/reduce.ts";
import { asComplex, asReal, reshape } from "../../kernels/reshape.ts";
import { ShapeError } from "../errors.ts";
import { type LinearOperator, linear } from "../linalg/operator.ts";
import { oneSingularValue } from "../linalg/spectral.ts";
import { scope } from "../tensor/scope.ts";
import type { Shape } from "../tensor/shape.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import { pictureOf } from "./picture_shape.ts";

export interface MriOptions {
  /** Which samples of k-space are measured, 1 or 0: f32 [H, W, 1], zero frequency at (H/2, W/2), rounded down. All without it. */
  mask?: Tensor;
  /** Coil sensitivities, c64 [H, W, coils], with sum |S|^2 = 1 where there is anything to see. Without them one coil that sees all alike. */
  maps?: Tensor;
}

/**
 * Cartesian magnetic resonance imaging, with one coil or several: y_c = M F (S_c x), F centred and orthonormal.
 *   A^H y = sum over c of conj(S_c) F^H (M y_c)
 *   one coil   prox   F x = (y + rho F v)/(1 + rho) where measured, F v elsewhere       A† = A^H
 * The picture is complex: c64 for a shape [H, W, 1], real and imaginary parts as two channels of f32 for [H, W, 2]; k-space is
 * c64 [H, W, coils]. The norm is 1 with one coil. With several it is at most 1, and near 1 where the centre of k-space is
 * measured: a smooth picture is then seen whole. Their prox and pseudo-inverse are found by conjugate gradients.
 */
export function mri(shape: Shape, { mask, maps }: MriOptions = {}): LinearOperator {
  const domain = pictureOf("mri", shape);
  const [H, W, C] = domain;
  if (C !== 1 && C !== 2)
    throw new ShapeError(
      `mri: a picture is [H, W, 1] for c64 or [H, W, 2] for real and imaginary parts, got [${domain.join(", ")}]`,
    );
  const coils = maps ? (maps.shape.at(-1) as number) : 1;
  if (maps && (maps.dtype !== "c64" || maps.size !== H * W * coils || maps.shape.at(-2) !== W))
    throw new ShapeError(`mri: expected maps c64 [${H}, ${W}, coils], got ${maps.dtype} [${maps.shape.join(", ")}]`);
  if (mask && (mask.dtype !== "f32" || mask.size !== H * W || ![W, 1].includes(mask.shape.at(-1) as number)))
    throw new ShapeError(`mri: expected a mask f32 [${H}, ${W}, 1], got ${mask.dtype} [${mask.shape.join(", ")}]`);

  // shifting by half is multiplying by a wave on the other side: both waves are put into what is multiplied anyway
  const [before, after] = [wave(H, W, 0), wave(H, W, 1)];
  const m = mask ? reshape(mask, [1, H, W, 1]) : tensor([1, H, W, 1], new Float32Array(H * W).fill(1));
  const S = maps ? mul(reshape(maps, [1, H, W, coils]), before) : before;
  const M = mul(m, after);
  const enter = (x: Tensor) => (C === 2 ? asComplex(reshape(x, [x.shape[0] as number, H, W, 1, 2])) : x);
  const leave = (z: Tensor) => (C === 2 ? reshape(asReal(z), [z.shape[0] as number, H, W, 2]) : z);
  const pull = (k: Tensor) => {
    const each = conjMul(S, ifft2(k, { norm: "ortho" }));
    return leave(coils === 1 ? each : sum(each, { axes: [3], keep: true }));
  };
  const adjoint = (y: Tensor) => scope(() => pull(conjMul(M, y)));
  const apply = (x: Tensor) => scope(() => mul(M, fft2(mul(S, enter(x)), { norm: "ortho" })));
  return linear({
    name: "mri",
    domain,
    domainType: C === 2 ? "f32" : "c64",
    range: [H, W, coils],
    rangeType: "c64",
    holds: [m, S, M, before, after],
    norm: 1,
    apply,
    adjoint,
    ...(!maps && {
      prox: (v, y, rho) =>
        scope(() => {
          const Fv = fft2(mul(S, enter(v)), { norm: "ortho" });
          return pull(proxMask({ mask: m, y: conjMul(after, y), v: Fv, rho }));
        }),
      pinv: (y, eta) => scope(() => (eta ? lincomb(1 / (1 + eta), adjoint(y)) : adjoint(y))),
      spectral: oneSingularValue(1, apply, adjoint),
    }),
  });
}

/** Each coil's picture F^H y_c, c64 [N, H, W, coils]. */
export function coilImages(y: Tensor): Tensor {
  const [N, H, W] = y.shape as [number, number, number, number];
  if (y.shape.length !== 4 || y.dtype !== "c64")
    throw new ShapeError(`mri: k-space expects c64 [N, H, W, coils], got ${y.dtype} [${y.shape.join(", ")}]`);
  return N ? scope(() => conjMul(wave(H, W, 0), ifft2(conjMul(wave(H, W, 1), y), { norm: "ortho" }))) : y;
}

/** The root of the sum of squares over the coils, sqrt(sum over c of |F^H y_c|^2): f32 [N, H, W, 1]. */
export const rss = (y: Tensor): Tensor => scope(() => sqrt(sumSquares(coilImages(y), { axes: [3], keep: true })));

/**
 * With c = floor(n/2) on each axis, the centred transform is that from corner to corner between two waves:
 *   sum over j of x_j exp(-2 pi i (k - c)(j - c)/n) = exp(2 pi i c (k - c)/n) sum over j of [x_j exp(2 pi i c j/n)] exp(-2 pi i k j/n)
 * `side` 0 is the wave of the picture, 1 that of k-space. For even n both are 1 and -1 in turn.
 */
function wave(H: number, W: number, side: 0 | 1): Tensor {
  const turns = (n: number) => {
    const c = n >> 1;
    return Array.from({ length: n }, (_, j) => ((((c * (j - side * c)) % n) + n) % n) / n);
  };
  const [rows, columns] = [turns(H), turns(W)];
  const data = new Float32Array(2 * H * W);
  rows.forEach((a, i) => {
    columns.forEach((b, j) => {
      const t = 2 * Math.PI * ((a + b) % 1);
      data[2 * (i * W + j)] = Math.cos(t);
      data[2 * (i * W + j) + 1] = Math.sin(t);
    });
  });
  return tensor([1, H, W, 1], data, "c64");
}
