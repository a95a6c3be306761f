import { add, mul } from "../../kernels/broadcast.ts";
import type { Rng } from "../../kernels/random.ts";
import { asComplex } from "../../kernels/reshape.ts";
import type { LinearOperator } from "../linalg/operator.ts";
import { birdcage } from "../physics/coils.ts";
import { mri } from "../physics/mri.ts";
import { type MriMask, type MriMaskOptions, mriMask } from "../physics/mri_masks.ts";
import { scope } from "../tensor/scope.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import { centreOf } from "./mri_centre.ts";
import { smoothCoils, smoothPhase } from "./mri_smooth.ts";

/** A pattern to be drawn anew for each batch. */
export interface Pattern extends MriMaskOptions {
  readonly kind: MriMask;
}

/** What Diff-Unfolding's paper trains on; 2-D patterns measure points, the others columns. */
export const PATTERNS: readonly Pattern[] = [
  { kind: "uniform1d", acceleration: 4 },
  { kind: "uniform1d", acceleration: 8 },
  { kind: "gaussian1d", acceleration: 4 },
  { kind: "gaussian1d", acceleration: 8 },
  { kind: "gaussian2d", acceleration: 8 },
  { kind: "gaussian2d", acceleration: 16 },
];

export interface MriDataOptions {
  /** Pictures in [-1, 1], [N, H, W, 1 or 3]: black is 0, where nothing is. */
  pictures(random: Rng): Promise<Tensor>;
  /** Of which each batch takes one [PATTERNS]. */
  patterns?: readonly Pattern[];
  /** Receivers [15: Diff-Unfolding's; SSDiffRecon has 5]. */
  coils?: number;
  /** How they lie: all alike on a ring, at random, or either by chance ["either"]. */
  maps?: "birdcage" | "smooth" | "either";
  /**
   * Standard deviation of the real and of the imaginary part of a sample, or the range that it is drawn from for each batch,
   * in root mean squares of k-space over the coils together, which are those of the picture [.01: what the paper's "0.01 times
   * the magnitude of k-space" is taken to mean].
   */
  noise?: number | readonly [low: number, high: number];
  /** The picture is divided by this quantile of its moduli [.99]; 1 is the largest. */
  white?: number;
  /** Radians: how far the phase strays over a picture [2]. */
  phase?: number;
}

/** Of one batch: mask and maps serve all its pictures. */
export type MriBatch = {
  /** The truth's real and imaginary parts, f32 [N, H, W, 2]. */
  readonly x: Tensor;
  /** k-space, c64 [N, H, W, coils], 0 where it was not measured. */
  readonly y: Tensor;
  /** 1 where it was, and 1 over the part around its middle that was measured whole: f32 [H, W, 1] both. */
  readonly mask: Tensor;
  readonly centre: Tensor;
  /** c64 [H, W, coils], sum |S|^2 = 1. */
  readonly maps: Tensor;
  /** The largest modulus of each truth, f32 [N, 1, 1, 1]. */
  readonly peak: Tensor;
};

/** y = M F (S_c x) of the batch's mask and coils. It owns tensors: make it inside a scope. */
export const operatorOf = ({ mask, maps }: Pick<MriBatch, "mask" | "maps">): LinearOperator =>
  mri([...mask.shape.slice(0, 2), 2], { mask, maps });

/**
 * Multi-coil k-space simulated from pictures of magnitudes, a batch for each generator:
 *   x = m exp(i phi), m the picture over its white, phi smooth     y_c = M (F (S_c x) + n)
 * with a pattern M and sensitivities S drawn for the batch. The same generator gives the same batch.
 */
export function mriData({
  pictures,
  patterns = PATTERNS,
  coils = 15,
  maps: lie = "either",
  noise = 0.01,
  white = 0.99,
  phase = 2,
}: MriDataOptions): (random: Rng) => Promise<MriBatch> {
  return async (random) => {
    const drawn = await pictures(random);
    const [N, H, W, C] = drawn.shape as [number, number, number, number];
    const values = await drawn.read();
    drawn.dispose();
    const x = new Float32Array(N * H * W * 2);
    const [peaks, rms] = [new Float32Array(N), new Float32Array(N)];
    for (let n = 0; n < N; n++) {
      const m = Float64Array.from({ length: H * W }, (_, i) => {
        const at = (n * H * W + i) * C;
        return (values.subarray(at, at + C).reduce((a, b) => a + b) / C + 1) / 2;
      });
      const sorted = m.slice().sort();
      const unit = sorted[Math.max(0, Math.ceil(white * m.length) - 1)] || sorted.at(-1) || 1;
      const phi = smoothPhase([H, W], random, phase);
      let power = 0;
      m.forEach((v, i) => {
        const r = v / unit;
        x[2 * (n * H * W + i)] = r * Math.cos(phi[i] as number);
        x[2 * (n * H * W + i) + 1] = r * Math.sin(phi[i] as number);
        power += r * r;
      });
      peaks[n] = (sorted.at(-1) as number) / unit || 1; // a black picture has nothing to be compared with
      rms[n] = Math.sqrt(power / m.length);
    }
    const { kind, ...pattern } = patterns[random.integer(0, patterns.length - 1)] as Pattern;
    const mask = mriMask(kind, [H, W], random, pattern);
    const centre = centreOf(await mask.read(), [H, W]);
    const level = typeof noise === "number" ? noise : noise[0] + (noise[1] - noise[0]) * random.number();
    const ring = lie === "birdcage" || (lie === "either" && random.number() < 0.5);
    const batch = scope(() => {
      const maps = ring ? birdcage([H, W], coils) : smoothCoils([H, W], coils, random);
      const truth = tensor([N, H, W, 2], x);
      const A = operatorOf({ mask, maps });
      const n = mul(
        random.normal([N, H, W, coils, 2]),
        tensor(
          [N, 1, 1, 1, 1],
          rms.map((r) => level * r),
        ),
      );
      const seen = mul(asComplex(n), mask);
      return {
        x: truth,
        y: add(A.apply(truth), seen),
        centre: tensor([H, W, 1], centre),
        maps,
        peak: tensor([N, 1, 1, 1], peaks),
      };
    });
    return { ...batch, mask };
  };
}
