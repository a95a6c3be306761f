import { decimate, zeroInsert } from "../../kernels/decimate.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { spread } from "../../kernels/nearest_up.ts";
import { avgPool } from "../../kernels/pool.ts";
import { proxAliased } from "../../kernels/prox_aliased.ts";
import { proxBlockAverage } from "../../kernels/prox_block_average.ts";
import { convolve } from "../../kernels/prox_fourier.ts";
import { ShapeError } from "../errors.ts";
import { type LinearOperator, linear } from "../linalg/operator.ts";
import { oneSingularValue } from "../linalg/spectral.ts";
import { scope } from "../tensor/scope.ts";
import type { Shape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { modulus, transfer } from "./blur.ts";
import { pictureOf } from "./picture_shape.ts";
import { type BlurOptions, otfTensor } from "./psf.ts";

/**
 * A smaller picture: the mean of each block of factor x factor pixels, or, given a blur, that circular blur and then the
 * first pixel of each block.
 *   mean     A^T = nearest neighbour / factor^2,  A A^T = 1/factor^2
 *   blur     A A^T is diagonal in the Fourier domain: the mean of |B|^2 over the frequencies that alias
 */
export function superResolution(shape: Shape, factor: number, options?: BlurOptions): LinearOperator {
  const domain = pictureOf("superResolution", shape);
  const [H, W, C] = domain;
  if (!Number.isInteger(factor) || factor < 1 || H % factor || W % factor)
    throw new ShapeError(
      `superResolution: [${domain.join(", ")}] does not divide into blocks of ${factor}x${factor}; crop it first`,
    );
  const sides = { domain, range: [H / factor, W / factor, C] };
  if (!options) {
    const apply = (x: Tensor) => avgPool(x, factor);
    const adjoint = (y: Tensor) => spread(y, factor, { scale: 1 / factor ** 2 });
    return linear({
      name: "superResolution",
      ...sides,
      norm: 1 / factor,
      tight: 1 / factor ** 2,
      apply,
      adjoint,
      prox: (v, y, rho) => proxBlockAverage({ y, v, rho, factor }),
      pinv: (y, eta) => spread(y, factor, { scale: 1 / (1 + eta * factor ** 2) }),
      spectral: oneSingularValue(1 / factor, apply, adjoint),
    });
  }

  const { planes } = transfer("superResolution", domain, options);
  const otf = otfTensor(planes, H, W);
  return linear({
    name: "superResolution",
    ...sides,
    holds: otf,
    norm: Math.max(...planes.map((plane) => aliasedNorm(plane, domain, factor))),
    apply: (x) => scope(() => decimate(convolve(x, otf), factor)),
    adjoint: (y) => scope(() => convolve(zeroInsert(y, factor), otf, { adjoint: true })),
    prox: (v, y, rho) => proxAliased({ otf, y, v, rho, factor }),
    pinv: (y, eta) => scope(() => proxAliased({ otf, y, v: lincomb(0, spread(y, factor)), rho: eta, factor })),
  });
}

/** The root of the largest mean of |B|^2 over factor^2 aliases: frequencies (k + i H/factor, l + j W/factor). */
function aliasedNorm(plane: Float64Array, [H, W]: readonly [number, number, number], factor: number): number {
  const [h, w] = [H / factor, W / factor];
  const power = new Float64Array(h * w);
  for (let k = 0; k < H * W; k++) {
    const at = (Math.floor(k / W) % h) * w + ((k % W) % w);
    power[at] = (power[at] as number) + (modulus(plane, k) / factor) ** 2;
  }
  return Math.sqrt(power.reduce((a, b) => Math.max(a, b), 0));
}
