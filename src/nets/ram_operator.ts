import { add, mul } from "../../kernels/broadcast.ts";
import { decimate, zeroInsert } from "../../kernels/decimate.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { crop, pad } from "../../kernels/pad.ts";
import { convolve } from "../../kernels/prox_fourier.ts";
import { sum } from "../../kernels/reduce.ts";
import { asComplex, asReal, reshape } from "../../kernels/reshape.ts";
import { ShapeError } from "../errors.ts";
import { conjugateGradients, type IterationOptions } from "../linalg/cg.ts";
import type { LinearOperator } from "../linalg/operator.ts";
import { op } from "../tensor/op.ts";
import { scope } from "../tensor/scope.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";

/** An operator as RAM sees it: real pictures of height, width and channels that it chose, whatever the measurements are. */
export interface Seen {
  readonly extent: readonly [H: number, W: number, C: number];
  apply(x: Tensor): Tensor;
  adjoint(y: Tensor): Tensor;
}

/** A on real pictures: those of one complex channel have two. */
export function realPictures(A: LinearOperator): Seen {
  const [H, W, C] = A.domain as [number, number, number];
  const complex = A.domainType === "c64";
  if (A.domain.length !== 3 || (complex && C !== 1))
    throw new ShapeError(
      `ram: ${A.name ?? "the operator"} must take pictures [H, W, C], or complex ones of one channel, got ${A.domainType ?? "f32"} [${A.domain}]`,
    );
  if (!complex) return { extent: [H, W, C], apply: A.apply, adjoint: A.adjoint };
  return {
    extent: [H, W, 2],
    apply: (x) => scope(() => A.apply(asComplex(reshape(x, [-1, H, W, 1, 2])))),
    adjoint: (y) => scope(() => reshape(asReal(A.adjoint(y)), [-1, H, W, 2])),
  };
}

/** A of a picture with more rows at the top and columns at the left, which it does not see. */
export function padded(A: Seen, multiple: number): Seen & { top: number; left: number } {
  const [H, W, C] = A.extent;
  const [top, left] = [(multiple - (H % multiple)) % multiple, (multiple - (W % multiple)) % multiple];
  return {
    ...{ extent: [H + top, W + left, C], top, left },
    apply: (x) => scope(() => A.apply(crop(x, [top, left, H, W]))),
    adjoint: (y) => scope(() => pad(A.adjoint(y), [top, 0, left, 0])),
  };
}

/** A of small pictures: A Up, where Up is the adjoint of a circular low-pass and then every f-th pixel. */
export function scaledDown(A: Seen, f: number): Seen {
  if (f === 1) return A;
  const [H, W, C] = A.extent;
  const otf = scope(() =>
    mul(tensor([1, H, 1, 1], transfer(H, f), "c64"), tensor([1, 1, W, 1], transfer(W, f), "c64")),
  );
  return {
    extent: [H / f, W / f, C],
    apply: (x) => scope(() => A.apply(convolve(zeroInsert(x, f), otf, { adjoint: true }))),
    adjoint: (y) => scope(() => decimate(convolve(A.adjoint(y), otf), f)),
  };
}

/** The low-pass on a circle of n pixels, in the Fourier domain: its centre is tap L/2 - 1 of L = 4f, as deepinv has it. */
function transfer(n: number, f: number): Float64Array {
  const h = lowPass(f);
  const out = new Float64Array(2 * n);
  for (let k = 0; k < n; k++)
    h.forEach((v, m) => {
      const angle = (-2 * Math.PI * k * (m - (h.length / 2 - 1))) / n;
      out[2 * k] = (out[2 * k] as number) + v * Math.cos(angle);
      out[2 * k + 1] = (out[2 * k + 1] as number) + v * Math.sin(angle);
    });
  return out;
}

/** sinc(t/f) in a Kaiser window, t = n - (L - 1)/2, L = 4f taps of sum 1; beta by Kaiser's formula for the attenuation. */
export function lowPass(f: number): number[] {
  const L = 4 * f;
  const half = (L - 1) / 2;
  // biome-ignore lint/suspicious/noApproximativeNumericConstant: the digits that the weights were trained with
  const attenuation = (2.285 * (L - 1) * 3.14159 * 2 * (2 - 1.4142136)) / f + 7.95;
  const over = attenuation - 21;
  const beta =
    attenuation <= 21 ? 0 : attenuation <= 50 ? 0.5842 * over ** 0.4 + 0.07886 * over : 0.1102 * (attenuation - 8.7);
  const taps = Array.from({ length: L }, (_, n) => {
    const t = n - half; // never 0: L is even
    const sinc = Math.sin((Math.PI * t) / f) / ((Math.PI * t) / f);
    return sinc * besselI0(beta * Math.sqrt(1 - (t / half) ** 2));
  });
  const total = taps.reduce((a, b) => a + b, 0);
  return taps.map((v) => v / total);
}

/** The sum of (x/2)^2k / k!^2. */
function besselI0(x: number): number {
  let term = 1;
  let total = 1;
  for (let k = 1; term > 1e-17 * total; k++) {
    term *= (x / (2 * k)) ** 2;
    total += term;
  }
  return total;
}

interface Solve extends IterationOptions {
  A: Seen;
}
/** (A^T A + rho)^-1 b, rho [N, 1, 1, 1]; its gradient is another such system, not the iterations undone. */
const solve: (inputs: readonly Tensor[], options: Solve) => Tensor = op<Solve>({
  name: "ramProx",
  forward: ([b, rho], { A, ...options }) => {
    const M = (x: Tensor) => add(A.adjoint(A.apply(x)), mul(rho as Tensor, x));
    const out = scope(() => conjugateGradients(M, b as Tensor, options).x);
    return { out, saved: [rho, out] };
  },
  vjp(dx, [rho, x]: [Tensor, Tensor], options, needs) {
    const u = solve([dx, rho], options);
    return [u, needs[1] ? lincomb(-1, sum(mul(u, x), { axes: [1, 2, 3], keep: true })) : null];
  },
});

/** argmin over x of |Ax - y|^2/2 + rho |x - v|^2/2 with a rho for each sample, [N, 1, 1, 1], that may lie on the GPU. */
export const proxPerSample = (A: Seen, v: Tensor, y: Tensor, rho: Tensor, options: IterationOptions): Tensor =>
  scope(() => {
    const misfit =
      y.dtype === "c64" ? asComplex(lincomb(1, asReal(y), -1, asReal(A.apply(v)))) : lincomb(1, y, -1, A.apply(v));
    return lincomb(1, v, 1, solve([A.adjoint(misfit), rho], { A, ...options }));
  });
