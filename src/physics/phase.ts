/** Diffraction: a detector sees the modulus of a Fourier transform, and its phase is lost. */
import { mul } from "../../kernels/broadcast.ts";
import { complexAbs } from "../../kernels/complex.ts";
import { affine } from "../../kernels/elementwise.ts";
import { fft, fft2, fftshift } from "../../kernels/fft.ts";
import { pad } from "../../kernels/pad.ts";
import type { Rng } from "../../kernels/random.ts";
import { reshape } from "../../kernels/reshape.ts";
import { nonlinear, type Operator } from "../linalg/operator.ts";
import { scope } from "../tensor/scope.ts";
import type { Shape } from "../tensor/shape.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import { pictureOf } from "./picture_shape.ts";

/** Whether the light is x in [-1, 1] itself, which leaves its sign open, or (x + 1)/2 in [0, 1]. */
export type Light = "signed" | "unit";
const lit = (x: Tensor, light: Light): Tensor => (light === "unit" ? affine(x, 0.5, 0.5) : x);

export interface PhaseOptions {
  /** Zeros around the picture: floor(oversample/8 side) on each side of it. */
  oversample?: number;
  light?: Light;
}

/**
 * Phase retrieval: y = |F pad(x)|, F orthonormal with frequency 0 in the middle, each channel by itself. Not linear.
 *   gradient   Re crop(F^H (dy z/|z|)), z = F pad(x); 0 where z = 0
 * DPS and DDiff: light "signed", oversample 2; DAPS "unit", 2; PnP-EDM "unit", 4, of grey pictures.
 */
export function phaseRetrieval(shape: Shape, { oversample = 2, light = "signed" }: PhaseOptions = {}): Operator {
  const domain = pictureOf("phaseRetrieval", shape);
  const [H, W, C] = domain;
  if (!(oversample >= 0 && Number.isFinite(oversample)))
    throw new RangeError(`phaseRetrieval: oversample must be 0 or more, got ${oversample}`);
  const [p, q] = [H, W].map((n) => Math.floor((oversample / 8) * n)) as [number, number];
  const one = tensor([1, 1, 1, 1], [1, 0], "c64");
  return nonlinear({
    name: "phaseRetrieval",
    domain,
    range: [H + 2 * p, W + 2 * q, C],
    slope: light === "unit" ? 0.5 : 1,
    holds: one,
    // where the picture lies is a phase, which the modulus forgets
    apply: (x) =>
      scope(() => fftshift(complexAbs(fft2(mul(pad(lit(x, light), [p, p, q, q]), one), { norm: "ortho" })))),
  });
}

export interface CodedOptions {
  /** How many random masks the light goes through, one after the other. */
  patterns?: number;
  light?: Light;
}

/**
 * Coded diffraction patterns: y = |F (m x)|, m of random phase, one of each mask's own for every number of the picture;
 * F orthonormal over rows, columns and channels, as PnP-EDM has it. The range holds the patterns' channels side by side.
 * Re m is uniform in modulus on [0, 1], Im m the rest of the unit circle, with random signs.
 */
export function codedDiffraction(
  shape: Shape,
  random: Rng,
  { patterns = 1, light = "unit" }: CodedOptions = {},
): Operator {
  const domain = pictureOf("codedDiffraction", shape);
  const [H, W, C] = domain;
  if (!(Number.isInteger(patterns) && patterns > 0))
    throw new RangeError(`codedDiffraction: a number of patterns expected, got ${patterns}`);
  const sign = () => (random.number() < 0.5 ? -1 : 1);
  const data = new Float32Array(2 * patterns * H * W * C);
  for (let i = 0; i < data.length; i += 2) {
    const re = random.number();
    data[i] = sign() * re;
    data[i + 1] = sign() * Math.sqrt(1 - re * re);
  }
  const masks = tensor([1, H, W, patterns, C], data, "c64");
  return nonlinear({
    name: "codedDiffraction",
    domain,
    range: [H, W, patterns * C],
    holds: masks,
    apply: (x) =>
      scope(() => {
        const N = x.shape[0] as number;
        const waves = mul(reshape(lit(x, light), [N, H, W, 1, C]), masks);
        return reshape(complexAbs(fft(waves, { axes: [1, 2, 4], norm: "ortho" })), [N, H, W, patterns * C]);
      }),
  });
}
