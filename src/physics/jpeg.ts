import { concat, sliceChannels } from "../../kernels/concat.ts";
import { conv2d } from "../../kernels/conv2d.ts";
import { convTranspose2d } from "../../kernels/conv2d_vjp_x.ts";
import { decimate } from "../../kernels/decimate.ts";
import { round } from "../../kernels/elementwise.ts";
import { nearestUp } from "../../kernels/nearest_up.ts";
import { crop, pad } from "../../kernels/pad.ts";
import { ShapeError } from "../errors.ts";
import { nonlinear, type Operator } from "../linalg/operator.ts";
import { scope } from "../tensor/scope.ts";
import type { Shape } from "../tensor/shape.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import { pictureOf } from "./picture_shape.ts";

const LUMINANCE = [
  ...[16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55],
  ...[14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62],
  ...[18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92],
  ...[49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99],
];
const CHROMINANCE = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56], [47, 66], [], [], [], []].flatMap((row) => [
  ...row,
  ...new Array<number>(8 - row.length).fill(99),
]);

/** Annex K's tables of ITU T.81 at a quality from 1 to 100: 64 steps, row by row, frequency 0 first. */
export function jpegTables(quality: number): { luminance: number[]; chrominance: number[] } {
  if (!(quality >= 1 && quality <= 100)) throw new RangeError(`jpeg: expected a quality from 1 to 100, got ${quality}`);
  const s = quality < 50 ? 5000 / quality : 200 - 2 * quality;
  const at = (base: readonly number[]) => base.map((q) => Math.min(255, Math.max(1, Math.floor((s * q + 50) / 100))));
  return { luminance: at(LUMINANCE), chrominance: at(CHROMINANCE) };
}

// red, green, blue in 0..255 to luma and two chromas about 0, and back
const FORWARD = [0.299, 0.587, 0.114, -0.1687, -0.3313, 0.5, 0.5, -0.4187, -0.0813];
const BACKWARD = [1, 0, 1.402, 1, -0.3441, -0.7141, 1, 1.772, 0];

/** Orthonormal cosines of 8 x 8 pixels, [64, 8, 8], each times what `gain` says. */
function cosines(gain: (k: number) => number): number[] {
  const axis = (u: number, i: number) => Math.sqrt(u ? 1 / 4 : 1 / 8) * Math.cos(((2 * i + 1) * u * Math.PI) / 16);
  return Array.from({ length: 4096 }, (_, n) => {
    const k = n >> 6;
    return gain(k) * axis(k >> 3, (n >> 3) & 7) * axis(k & 7, n & 7);
  });
}

/** The transform of each channel's blocks, divided by its steps, rounded, and back. */
function quantiser(steps: readonly (readonly number[])[]) {
  const weights = (gain: (q: number) => number) =>
    tensor(
      [64 * steps.length, 1, 8, 8],
      steps.flatMap((Q) => cosines((k) => gain(Q[k] as number))),
    );
  const [down, up] = [weights((q) => 1 / q), weights((q) => q)];
  const options = { stride: 8, groups: steps.length } as const;
  return { holds: [down, up], apply: (x: Tensor) => convTranspose2d(round(conv2d(x, down, options)), up, options) };
}

/**
 * What baseline JPEG leaves of a picture of 3 channels or 1, written and read, in [-1, 1] and not clipped:
 *   A(x) = decode(round(DCT(x) / Q) Q), chroma kept at every second pixel (ddrm-jpeg's, which does not average)
 * Not linear. Its gradient goes straight through the rounding. Sides that do not divide into blocks are extended by their
 * edge and cut again. Source: ITU T.81 and the published solvers' simulation of it.
 */
export function jpeg(shape: Shape, { quality = 10 }: { quality?: number } = {}): Operator {
  const domain = pictureOf("jpeg", shape);
  const [H, W, C] = domain;
  if (C !== 3 && C !== 1)
    throw new ShapeError(`jpeg: a picture of 3 channels or 1 expected, got [${domain.join(", ")}]`);
  const { luminance, chrominance } = jpegTables(quality);
  const luma = quantiser([luminance]);
  const chroma = quantiser([chrominance, chrominance]);
  // from [-1, 1] and back in the same product: 255 levels less 128 are 127.5 x - 0.5
  const forward = tensor([C, C, 1, 1], C === 1 ? [127.5] : FORWARD.map((v) => 127.5 * v));
  const backward = tensor([C, C, 1, 1], C === 1 ? [1 / 127.5] : BACKWARD.map((v) => v / 127.5));
  const before = tensor([C], C === 1 ? [-0.5] : [-0.5, 0, 0]);
  const after = tensor([C], new Array<number>(C).fill(0.5 / 127.5));
  const block = C === 1 ? 8 : 16;
  const short = (n: number) => (block - (n % block)) % block;
  return nonlinear({
    name: "jpeg",
    domain,
    range: domain,
    // one chroma stands for four, and the two colour transforms are not orthogonal: the norm of a block without rounding
    slope: C === 1 ? 1 : 2.317,
    holds: [luma.holds, chroma.holds, forward, backward, before, after],
    apply: (x) =>
      scope(() => {
        const whole = pad(x, [0, short(H), 0, short(W)], "replicate");
        const ycc = conv2d(whole, forward, { bias: before });
        const y = luma.apply(C === 1 ? ycc : sliceChannels(ycc, 0, 1));
        const both = C === 1 ? y : concat([y, nearestUp(chroma.apply(decimate(sliceChannels(ycc, 1, 2), 2)), 2)]);
        return crop(conv2d(both, backward, { bias: after }), [0, 0, H, W]);
      }),
  });
}
