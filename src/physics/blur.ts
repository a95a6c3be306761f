import { lincomb } from "../../kernels/lincomb.ts";
import { convolve, proxFourier } from "../../kernels/prox_fourier.ts";
import { ShapeError } from "../errors.ts";
import { type LinearOperator, linear } from "../linalg/operator.ts";
import type { OfSingular, Spectral } from "../linalg/spectral.ts";
import { scope } from "../tensor/scope.ts";
import type { Shape } from "../tensor/shape.ts";
import { boundedBlur, type EdgeOptions } from "./bounded_blur.ts";
import { pictureOf } from "./picture_shape.ts";
import { type BlurOptions, otfTensor, psf2otf, psfOf } from "./psf.ts";

/** Below this part of the norm a frequency counts as lost: the pseudo-inverse leaves it 0. */
const LOST = 1e-5;

/**
 * Convolution with a point spread function, whose centre is tap floor(k/2). Circular unless said: A = F^H diag(B) F.
 *   prox   X = (conj(B) Y + rho V)/(|B|^2 + rho)          pinv   X = conj(B) Y/(|B|^2 + eta)
 * With another boundary see `boundedBlur`.
 */
export function blur(shape: Shape, options: BlurOptions & EdgeOptions): LinearOperator {
  const domain = pictureOf("blur", shape);
  if ((options.boundary ?? "circular") !== "circular") return boundedBlur(domain, options);
  const [H, W] = domain;
  const { planes, norm } = transfer("blur", domain, options);
  const otf = otfTensor(planes, H, W);
  const seen = planes.some((plane) => moduli(plane).some((m) => m <= LOST * norm))
    ? otfTensor(
        planes.map((plane) => plane.map((v, i) => (modulus(plane, i >> 1) <= LOST * norm ? 0 : v))),
        H,
        W,
      )
    : otf;
  return linear({
    name: "blur",
    domain,
    range: domain,
    holds: [otf, seen],
    norm,
    apply: (x) => convolve(x, otf),
    adjoint: (y) => convolve(y, otf, { adjoint: true }),
    prox: (v, y, rho) => proxFourier({ otf, y, v, rho }),
    pinv: (y, eta) => scope(() => proxFourier({ otf: eta > 0 ? otf : seen, y, v: lincomb(0, y), rho: eta })),
    spectral: fourierSpectral(planes, domain, LOST * norm),
  });
}

/** V is the real basis of sines and cosines, where f(S) is the filter f(|B|); U turns their phases by that of B. */
function fourierSpectral(
  planes: readonly Float64Array[],
  [H, W]: readonly [number, number, number],
  lost: number,
): Spectral {
  const filter = (f: OfSingular, phase: boolean) =>
    otfTensor(
      planes.map((plane) => {
        const out = new Float64Array(plane.length);
        for (let i = 0; i < plane.length; i += 2) {
          const m = modulus(plane, i / 2);
          const s = m <= lost ? 0 : m;
          if (!phase) out[i] = f(s);
          else if (s > 0) {
            out[i] = (f(s) * (plane[i] as number)) / s;
            out[i + 1] = (-f(s) * (plane[i + 1] as number)) / s;
          }
        }
        return out;
      }),
      H,
      W,
    );
  return {
    inside: (x, f) => scope(() => convolve(x, filter(f, false))),
    back: (y, f) => scope(() => convolve(y, filter(f, true))),
  };
}

/** Optical transfer functions in float64, one or one for each channel, and their largest modulus. */
export function transfer(
  name: string,
  [H, W, C]: readonly [number, number, number],
  options: BlurOptions,
): { planes: Float64Array[]; norm: number } {
  const psf = psfOf(options);
  const list = "channels" in psf ? psf.channels : [psf];
  if (list.length !== 1 && list.length !== C)
    throw new ShapeError(
      `${name}: ${list.length} point spread functions for ${C} channels; give one for all or one for each`,
    );
  const planes = list.map((one) => psf2otf(one, H, W));
  const norm = Math.max(...planes.map((plane) => moduli(plane).reduce((a, b) => Math.max(a, b), 0)));
  if (!Number.isFinite(norm))
    throw new RangeError(`${name}: the point spread function holds a number that is not finite`);
  return { planes, norm };
}

export const modulus = (plane: Float64Array, k: number): number =>
  Math.hypot(plane[2 * k] as number, plane[2 * k + 1] as number);
const moduli = (plane: Float64Array) => Float64Array.from({ length: plane.length / 2 }, (_, k) => modulus(plane, k));
