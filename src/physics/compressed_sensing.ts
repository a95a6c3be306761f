import { dft2 } from "../../kernels/fft_host.ts";
import { convolve } from "../../kernels/prox_fourier.ts";
import type { Rng } from "../../kernels/random.ts";
import { reshape } from "../../kernels/reshape.ts";
import { put, type Selection, selection, take } from "../../kernels/take.ts";
import { walshHadamard } from "../../kernels/walsh_hadamard.ts";
import { type LinearOperator, linear } from "../linalg/operator.ts";
import { scope } from "../tensor/scope.ts";
import type { Shape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { pictureOf } from "./picture_shape.ts";
import { otfTensor } from "./psf.ts";

export interface SensingOptions {
  /** One measurement for so many pixels. */
  ratio?: number;
}

/** 0 to n - 1 in random order. */
function shuffled(n: number, rng: Rng): Uint32Array {
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const k = rng.integer(0, i);
    [order[i], order[k]] = [order[k] as number, order[i] as number];
  }
  return order;
}

function measured(name: string, pixels: number, ratio: number): number {
  if (!(ratio >= 1 && ratio <= pixels))
    throw new RangeError(`${name}: the ratio must be from 1 to ${pixels} pixels, got ${ratio}`);
  return Math.floor(pixels / ratio);
}

/**
 * Compressed sensing by the Walsh-Hadamard transform: the pixels of each channel in random order, W orthonormal, and the first
 * floor(H W/ratio) of its numbers, [m, C]. Where H W is a power of two, A A^T = 1: A^T is the pseudo-inverse, and the prox
 * exact. Other pictures are filled up with zeros among which the order is drawn; theirs go by conjugate gradients.
 * DDRM: one order for all channels, ratio 4.
 */
export function walshSensing(shape: Shape, rng: Rng, { ratio = 4 }: SensingOptions = {}): LinearOperator {
  const domain = pictureOf("walshSensing", shape);
  const [H, W, C] = domain;
  const n = H * W;
  const full = 2 ** Math.ceil(Math.log2(n));
  const m = measured("walshSensing", n, ratio);
  // places[i]: where pixel i stands; those of no pixel hold zeros
  const places = selection(full, shuffled(full, rng).subarray(0, n));
  const first = selection(
    full,
    Uint32Array.from({ length: m }, (_, i) => i),
  );
  const rows = (x: Tensor) => reshape(x, [x.shape[0] as number, n, C]);
  return linear({
    name: "walshSensing",
    domain,
    range: [m, C],
    holds: [places.index, places.back, first.index, first.back],
    ...(full === n && { tight: 1 }),
    apply: (x) => scope(() => take(walshHadamard(put(rows(x), places), { axis: 1 }), first)),
    adjoint: (y) =>
      scope(() => reshape(take(walshHadamard(put(y, first), { axis: 1 }), places), [y.shape[0] as number, ...domain])),
  });
}

/**
 * Compressed sensing by random convolution [Romberg 2009]: each channel through a circular blur whose transfer function has
 * modulus 1 and random phases, then floor(H W/ratio) of its pixels at random places, [m, C]. A A^T = 1 for every size.
 */
export function randomConvolution(shape: Shape, rng: Rng, { ratio = 4 }: SensingOptions = {}): LinearOperator {
  const domain = pictureOf("randomConvolution", shape);
  const [H, W, C] = domain;
  const m = measured("randomConvolution", H * W, ratio);
  // the phases of white noise, which are those of a real kernel
  const noise = new Float64Array(2 * H * W);
  for (let i = 0; i < noise.length; i += 2) noise[i] = rng.gaussian();
  const phases = dft2(noise, H, W);
  for (let i = 0; i < phases.length; i += 2) {
    const size = Math.hypot(phases[i] as number, phases[i + 1] as number);
    phases[i] = size > 0 ? (phases[i] as number) / size : 1;
    phases[i + 1] = size > 0 ? (phases[i + 1] as number) / size : 0;
  }
  const otf = otfTensor([phases], H, W);
  const chosen: Selection = selection(H * W, shuffled(H * W, rng).subarray(0, m));
  return linear({
    name: "randomConvolution",
    domain,
    range: [m, C],
    holds: [otf, chosen.index, chosen.back],
    tight: 1,
    apply: (x) => scope(() => take(reshape(convolve(x, otf), [x.shape[0] as number, H * W, C]), chosen)),
    adjoint: (y) =>
      scope(() => convolve(reshape(put(y, chosen), [y.shape[0] as number, ...domain]), otf, { adjoint: true })),
  });
}
