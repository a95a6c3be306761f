/** Kernels of a camera that moved while the shutter was open: a random path, laid into a square of weights. */
import { mat2d, vec2 } from "gl-matrix";
import { dft } from "../../kernels/fft_host.ts";
import type { Rng } from "../../kernels/random.ts";
import { divided } from "./psf.ts";

type Path = vec2[];

/** A path with its mean at the origin, then turned, scaled and moved to the middle of a square of this side. */
function placed(path: Path, side: number, { scale = 1, angle = 0 } = {}): Path {
  const mean = vec2.scale(
    [0, 0],
    path.reduce((sum, p) => vec2.add(sum, sum, p), [0, 0] as vec2),
    1 / path.length,
  );
  const place: mat2d = [1, 0, 0, 1, 0, 0];
  mat2d.translate(place, place, [side / 2, side / 2]);
  mat2d.rotate(place, place, angle);
  mat2d.scale(place, place, [scale, scale]);
  mat2d.translate(place, place, vec2.negate(mean, mean));
  return path.map((p) => vec2.transformMat2d([0, 0], p, place));
}

/** Of one shape parameter b, a small whole number: the sum of b exponentials. */
const gamma = (random: Rng, b: number): number => {
  let sum = 0;
  for (let i = 0; i < b; i++) sum -= Math.log(random.number());
  return sum;
};
const beta = (random: Rng, a: number, b: number): number => {
  const [x, y] = [gamma(random, a), gamma(random, b)];
  return x / (x + y);
};
/** On [0, right], most often `mode`. */
function triangular(random: Rng, mode: number, right: number): number {
  const u = random.number();
  return u < mode / right ? Math.sqrt(u * right * mode) : right - Math.sqrt((1 - u) * right * (right - mode));
}

export interface MotionOptions {
  /** Side of the square, odd or even. */
  size?: number;
  /** From near 0, a straight line, to 1, a scribble. */
  intensity?: number;
}

/**
 * A hand's shake, as the papers after [DPS] draw it (LeviBorodenko's motionblur): steps of random length, whose heading
 * keeps its sign but for sudden jerks, as a line one pixel wide on a canvas of twice the side, softened and halved. The
 * line is drawn by distance and halved by means of 2 x 2, where theirs is Pillow's: alike in their statistics, not in
 * their pixels. The sum is 1.
 */
export function motionPsf(random: Rng, { size = 61, intensity = 0.5 }: MotionOptions = {}): number[][] {
  side("motionPsf", size);
  if (!(intensity > 0 && intensity <= 1))
    throw new RangeError(`motionPsf: expected an intensity above 0, at most 1, got ${intensity}`);
  const diagonal = 2 * size * Math.SQRT2;
  const longest = 0.75 * diagonal * (random.number() + random.number() * intensity ** 2);
  const steps: number[] = [];
  for (let sum = 0; sum < longest; ) {
    const step = beta(random, 1, 30) * (1.1 - intensity) * diagonal;
    if (step >= longest) continue;
    steps.push(step);
    sum += step;
  }
  const widest = random.number() * intensity * Math.PI;
  const jerk = beta(random, 2, 20);
  let angle = widest * (2 * random.number() - 1);
  const at: vec2 = [0, 0];
  const path = steps.map((step, i): vec2 => {
    if (i) {
      const turn = random.number() < jerk ? -1 : 1;
      angle = turn * Math.sign(angle) * triangular(random, intensity * widest, widest + 0.1);
    }
    return [...vec2.add(at, at, vec2.rotate([0, 0], [step, 0], [0, 0], angle))] as vec2;
  });
  const canvas = drawn(placed(path, 2 * size, { angle: random.number() * Math.PI }), 2 * size, diagonal / 150);
  const soft = softened(canvas, Math.floor(diagonal / 100));
  return divided(
    Array.from({ length: size }, (_, y) =>
      Array.from({ length: size }, (_, x) => {
        const row = (j: number) => ((soft[2 * y + j]?.[2 * x] ?? 0) + (soft[2 * y + j]?.[2 * x + 1] ?? 0)) / 4;
        return row(0) + row(1);
      }),
    ),
  );
}

/** A line through the points, 1 where it covers a pixel, with soft edges; where it crosses itself no more. */
function drawn(path: Path, side: number, width: number): number[][] {
  const half = Math.max(1, Math.floor(width)) / 2;
  const out = Array.from({ length: side }, () => new Array<number>(side).fill(0));
  const centre: vec2 = [0, 0];
  const last = path[path.length - 1] as vec2;
  path.forEach((from, i) => {
    const to = path[i + 1] ?? last;
    const reach = (a: number, b: number) =>
      [
        Math.max(0, Math.floor(Math.min(a, b) - half - 1)),
        Math.min(side - 1, Math.ceil(Math.max(a, b) + half)),
      ] as const;
    const [[x0, x1], [y0, y1]] = [reach(from[0], to[0]), reach(from[1], to[1])];
    for (let y = y0; y <= y1; y++)
      for (let x = x0; x <= x1; x++) {
        const row = out[y] as number[];
        const cover = half + 0.5 - distance(vec2.set(centre, x + 0.5, y + 0.5) as vec2, from, to);
        row[x] = Math.max(row[x] as number, Math.min(1, cover));
      }
  });
  return out;
}

/** From a point to a stretch of line. */
function distance(p: vec2, from: vec2, to: vec2): number {
  const along = vec2.sub([0, 0], to, from);
  const length = vec2.sqrLen(along);
  const t = length ? Math.max(0, Math.min(1, vec2.dot(vec2.sub([0, 0], p, from), along) / length)) : 0;
  return vec2.dist(p, vec2.scaleAndAdd([0, 0], from, along, t));
}

/** A Gaussian over rows, then over columns; outside is 0. */
function softened(rows: number[][], sigma: number): number[][] {
  if (!sigma) return rows;
  const r = 4 * sigma;
  const taps = Array.from({ length: 2 * r + 1 }, (_, i) => Math.exp(-((i - r) ** 2) / (2 * sigma * sigma)));
  const across = (m: number[][]) =>
    m.map((row) => row.map((_, x) => taps.reduce((sum, w, i) => sum + w * (row[x + i - r] ?? 0), 0)));
  const turned = (m: number[][]) => m.map((row, y) => row.map((_, x) => m[x]?.[y] as number));
  return turned(across(turned(across(rows))));
}

export interface SmoothMotionOptions {
  size?: number;
  /** How far it goes, in halves of the side, and over which part of the time it keeps its heading. */
  spread?: number;
  length?: number;
}

/** Points of the circle that a path is cut from: the first 1/(2 pi) of them, one unit of time. */
const CIRCLE = 1000;

/**
 * A smooth drift, as deepinv draws it: x(t) and y(t) are Gaussian processes with covariance
 *   k(d) = spread^2 (1 + a + a^2/3) exp(-a)        a = sqrt(5) d/length        (Matern 5/2)
 * over one unit of time, their mean taken off; the weight of a tap is the time spent in it. The sum is 1.
 */
export function smoothMotionPsf(
  random: Rng,
  { size = 31, spread = 0.25, length = 0.3 }: SmoothMotionOptions = {},
): number[][] {
  side("smoothMotionPsf", size);
  for (const [name, value] of Object.entries({ spread, length }))
    if (!(value > 0 && Number.isFinite(value)))
      throw new RangeError(`smoothMotionPsf: expected a ${name} above 0, got ${value}`);
  const covariance = complex((i) => {
    const a = (Math.sqrt(5) * Math.PI * Math.abs((2 * i) / (CIRCLE - 1) - 1)) / length;
    return spread ** 2 * (1 + a + (a * a) / 3) * Math.exp(-a);
  });
  const spectrum = dft(covariance);
  const process = () => {
    const noise = dft(complex(() => random.gaussian()));
    // the root of a spectrum whose phase is a shift only; conjugated twice, the inverse transform is the forward one
    const shaped = noise.map((v, k) => {
      const root = Math.sqrt(Math.hypot(spectrum[k & ~1] as number, spectrum[k | 1] as number));
      return (k % 2 ? -1 : 1) * v * root;
    });
    return dft(shaped).map((v) => v / CIRCLE);
  };
  const [xs, ys] = [process(), process()];
  const count = Math.floor(CIRCLE / (2 * Math.PI));
  const path = Array.from({ length: count }, (_, i): vec2 => [xs[2 * i] as number, ys[2 * i] as number]);
  const out = Array.from({ length: size }, () => new Array<number>(size).fill(0));
  for (const [x, y] of placed(path, size, { scale: size / 2 })) {
    const row = out[Math.floor(y)];
    if (row?.[Math.floor(x)] !== undefined) row[Math.floor(x)] = (row[Math.floor(x)] as number) + 1;
  }
  return divided(out);
}

function complex(f: (i: number) => number): Float64Array {
  const out = new Float64Array(2 * CIRCLE);
  for (let i = 0; i < CIRCLE; i++) out[2 * i] = f(i);
  return out;
}

function side(name: string, size: number): void {
  if (!(Number.isInteger(size) && size >= 3))
    throw new RangeError(`${name}: expected a side of 3 pixels or more, got ${size}`);
}
