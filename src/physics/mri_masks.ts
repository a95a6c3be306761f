import type { Rng } from "../../kernels/random.ts";
import type { Shape } from "../tensor/shape.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import { poissonDisc } from "./poisson_disc.ts";

/** Names of sampling patterns: columns of k-space, and for the last two its points. */
export const MRI_MASKS = ["uniform1d", "gaussian1d", "equispaced", "random", "gaussian2d", "poisson"] as const;
export type MriMask = (typeof MRI_MASKS)[number];

export interface MriMaskOptions {
  /** One sample in so many is asked for. What comes out is told apart for each pattern. */
  acceleration?: number;
  /** The part of the lines around the zero frequency that is always measured: .08 up to an acceleration of 4, .04 beyond; gaussian2d: none. */
  centre?: number;
  /** Of poisson: how many times as far apart the samples lie in the corners as in the middle, less one. */
  spread?: number;
}

/**
 * A mask of Cartesian sampling, f32 [H, W, 1], for N = W columns, R = acceleration, n = the columns of the centre:
 *   uniform1d   n and floor(N/R) - n columns, drawn alike, with repeats; so R comes out a little larger       [DDS, n = floor(centre N)]
 *   gaussian1d  n and floor(1.2 N/R) columns of N(N/2, 15 N/128) (mean, standard deviation), with repeats      [DDS]
 *   equispaced  n and every s-th column from a random one, s = R (n - N)/(n R - N): N/R in all                [fastMRI, n = round(centre N)]
 *   random      n, and each other column with the probability (N/R - n)/(N - n)                               [fastMRI]
 *   gaussian2d  floor(H W/R) points of N(H/2, 1.5 H^2/128) x N(W/2, 1.5 W^2/128) (mean, variance), with repeats  [DDS]
 *   poisson     H W/R points, none nearer to another than a distance that grows from the middle outwards
 */
export function mriMask(
  kind: MriMask,
  [H, W]: Shape,
  rng: Rng,
  { acceleration: R = 4, centre, spread = 2 }: MriMaskOptions = {},
): Tensor {
  const [h, w] = [H as number, W as number];
  const part = centre ?? (kind === "gaussian2d" ? 0 : R <= 4 ? 0.08 : 0.04);
  if (!(R >= 1 && R < Number.POSITIVE_INFINITY))
    throw new RangeError(`mriMask: acceleration must be 1 or more, got ${R}`);
  if (!(part >= 0 && part <= 1)) throw new RangeError(`mriMask: centre must be between 0 and 1, got ${part}`);
  if (kind === "poisson" || kind === "gaussian2d") {
    const data =
      kind === "poisson"
        ? poissonDisc([h, w], rng, { count: Math.round((h * w) / R), centre: part, spread })
        : gaussian2d([h, w], rng, { R, part });
    return tensor([h, w, 1], data);
  }
  const row = columns(kind, w, rng, { R, part });
  return tensor(
    [h, w, 1],
    Float32Array.from({ length: h * w }, (_, i) => row[i % w] as number),
  );
}

interface Rule {
  R: number;
  /** Of the centre. */
  part: number;
}

function columns(kind: MriMask, N: number, rng: Rng, { R, part }: Rule): Float32Array {
  const row = new Float32Array(N);
  const fast = kind === "equispaced" || kind === "random";
  const n = fast ? roundEven(N * part) : Math.floor(N * part);
  const from = fast ? Math.floor((N - n + 1) / 2) : Math.floor(N / 2) - Math.floor(n / 2);
  row.fill(1, from, from + n);
  if (n > N / R && kind !== "gaussian1d")
    throw new RangeError(
      `mriMask: a centre of ${n} of ${N} columns is more than one in ${R}; give a smaller centre or acceleration`,
    );
  switch (kind) {
    case "uniform1d":
      for (let k = Math.floor(N / R) - n; k > 0; k--) row[rng.integer(0, N - 1)] = 1;
      break;
    case "gaussian1d":
      for (let k = Math.floor((1.2 * N) / R); k > 0; k--) row[near(N, (15 * N) / 128, rng)] = 1;
      break;
    case "random":
      if (n < N) for (let k = 0; k < N; k++) if (rng.number() < (N / R - n) / (N - n)) row[k] = 1;
      break;
    default: {
      const step = n * R === N ? Number.POSITIVE_INFINITY : (R * (n - N)) / (n * R - N);
      if (step === Number.POSITIVE_INFINITY) break;
      // the last column is left out, as in the original
      for (let k = rng.integer(0, roundEven(step) - 1); k < N - 1; k += step) row[roundEven(k)] = 1;
    }
  }
  return row;
}

/** A normal number around the middle, cut to a whole one, held inside. */
const near = (N: number, deviation: number, rng: Rng): number =>
  Math.max(0, Math.min(N - 1, Math.trunc(N / 2 + deviation * rng.gaussian())));

function gaussian2d([H, W]: readonly [number, number], rng: Rng, { R, part }: Rule): Float32Array {
  const data = new Float32Array(H * W);
  const deviation = Math.sqrt(1.5 / 128);
  for (let k = Math.floor((H * W) / R); k > 0; k--)
    data[near(H, deviation * H, rng) * W + near(W, deviation * W, rng)] = 1;
  const [h, w] = [Math.floor(H * part), Math.floor(W * part)];
  for (let i = 0; i < h; i++) {
    const at = ((H >> 1) - (h >> 1) + i) * W + (W >> 1) - (w >> 1);
    data.fill(1, at, at + w);
  }
  return data;
}

/** To the nearest whole number, halves to the even one: Python's and NumPy's `round`. */
function roundEven(x: number): number {
  const r = Math.round(x);
  return Math.abs(x % 1) === 0.5 && r % 2 !== 0 ? r - 1 : r;
}
