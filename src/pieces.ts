/**
 * Pictures too large for one buffer, in overlapping pieces. Each piece is restored on its own, as a photograph is: from
 * its window of the measurement, extended by reflection. What lies within `guard` of a cut is thrown away, since it saw
 * a reflection where there was a picture; over the rest of the overlap one piece fades into the next, with weights
 * whose sum is 1. Memory is bounded by the piece, not by the picture.
 */
import { GpuError } from "./errors.ts";
import { gpu } from "./gpu/open.ts";
import { crop, type Picture, padReflect } from "./io/picture.ts";
import {
  asPicture,
  defaultNoise,
  enlargeAlpha,
  estimatedNoise,
  type Mask,
  measurable,
  measured,
  type Prepared,
  reachOf,
  shown,
  simulate,
  type Task,
  type TaskOptions,
} from "./tasks.ts";
import { dispose } from "./tensor/scope.ts";

/** Bytes a pixel of the largest tensors: complex spectra of three channels, or the denoiser's overlapping tiles. */
const PIXEL_BYTES = 26;
/** Pixels at once even where the adapter binds more: some 200 bytes each in all, so about 3 GB. */
const MOST_PIXELS = 1 << 24;
/** Pixels of the solution over which one piece fades into the next, and that the denoiser must see around each. */
const [FADE, CONTEXT] = [16, 16];

export interface JobOptions extends TaskOptions {
  /** Degrade the picture first. */
  simulated?: boolean | undefined;
  /** In [0, 1] units; the task's own when simulated, else estimated. */
  noise?: number | undefined;
  seed?: number | undefined;
  /** Largest side of a piece, in pixels of the solution; by default what the adapter can hold. */
  piece?: number | undefined;
}

/** A restoration: one measurement, or one for each piece. Ask for piece(i), put its solution, for all i; then finish. */
export interface Job {
  readonly count: number;
  /** Width and height of one piece's solution. */
  readonly side: readonly [number, number];
  readonly noise: number;
  readonly estimated: boolean;
  readonly measurement: Picture;
  readonly shown: Picture;
  readonly truth?: Picture;
  readonly mask?: Mask;
  /** The caller frees its tensors: `y` and `A.holds`. */
  piece(i: number): Promise<Prepared>;
  put(i: number, solution: Picture): void;
  finish(): Picture;
}

/** A picture and a task as a job of as few pieces as the adapter allows. */
export async function plan(picture: Picture, task: Task, options: JobOptions = {}): Promise<Job> {
  const { simulated = false, noise, seed = 0, piece, ...rest } = options;
  const given = noise === undefined ? {} : { noise };
  const input = simulated ? measurable(picture, task, rest) : picture;
  const mask = task === "inpaint" ? (rest.mask ?? (simulated ? boxOf(input) : undefined)) : undefined;
  const known = { ...rest, ...(mask && { mask }) };
  const s = task === "sr" && !simulated ? (rest.scale ?? 4) : 1;
  const border = task === "deblur" ? 2 * reachOf(rest) : 0;
  const extent = (n: number) => n * s + (simulated ? 0 : 2 * border);
  const most = mostPixels();
  const fits = piece
    ? Math.max(input.width, input.height) * s <= piece
    : extent(input.width) * extent(input.height) <= most;
  if (fits)
    return whole(
      simulated
        ? await simulate(input, task, { ...known, ...given, seed })
        : await measured(input, task, { ...known, ...given }),
      mask,
    );
  return inPieces(input, task, known, {
    simulated,
    seed,
    level: noise ?? (simulated ? defaultNoise(task) : estimatedNoise(picture, known)),
    estimated: noise === undefined && !simulated,
    side: piece ?? Math.floor(Math.sqrt(most)) - 2 * border,
    mask,
  });
}

const mostPixels = (): number => Math.min(MOST_PIXELS, Math.floor(gpu().pool.largest / PIXEL_BYTES));

function whole(prepared: Prepared, mask: Mask | undefined): Job {
  let done: Picture | undefined;
  const { A } = prepared;
  return {
    ...prepared,
    count: 1,
    side: [A.domain[1] as number, A.domain[0] as number],
    ...(mask && { mask }),
    piece: async () => prepared,
    put: (_, solution) => (done = solution),
    finish: () => done as Picture,
  };
}

interface Cut {
  simulated: boolean;
  seed: number;
  level: number;
  estimated: boolean;
  side: number;
  mask: Mask | undefined;
}

async function inPieces(input: Picture, task: Task, options: TaskOptions, cut: Cut): Promise<Job> {
  const s = task === "sr" ? (options.scale ?? 4) : 1;
  const { alpha, ...bare } = input;
  const guard = Math.ceil(Math.max(CONTEXT, task === "deblur" ? 2 * reachOf(options) : 0) / s);
  const overlap = 2 * guard + Math.max(2, Math.ceil(FADE / s));
  const side = Math.floor(cut.side / s);
  if (side < 3 * overlap)
    throw new GpuError(
      `${task}: pieces of ${side * s} pixels are too small for an overlap of ${overlap * s}; at least ${3 * overlap * s} are needed`,
    );
  const { level } = cut;
  const measurement = cut.simulated
    ? await degraded(bare, task, { ...options, noise: level, seed: cut.seed }, side)
    : blank(bare, cut.mask);
  const across = spans(measurement.width, side, overlap);
  const down = spans(measurement.height, side, overlap);
  const [width, height, C] = [measurement.width * s, measurement.height * s, input.channels];
  const sum = new Float32Array(width * height * C);
  const place = (i: number) =>
    [across[i % across.length], down[Math.floor(i / across.length)]] as unknown as readonly [Span, Span];
  return {
    count: across.length * down.length,
    side: [(across[0] as Span).length * s, (down[0] as Span).length * s],
    noise: level,
    estimated: cut.estimated,
    measurement,
    shown: shown(measurement, task, options),
    ...(cut.simulated ? { truth: input } : {}),
    ...(cut.mask && { mask: cut.mask }),
    piece(i) {
      const [x, y] = place(i);
      const rect = { x: x.start, y: y.start, width: x.length, height: y.length };
      const mask = cut.mask && window(cut.mask, rect);
      return measured(crop(measurement, rect), task, { ...options, ...(mask && { mask }), noise: level });
    },
    put(i, solution) {
      const [x, y] = place(i);
      const [left, top] = [x.start * s, y.start * s];
      const [wx, wy] = [fade(x, guard, s), fade(y, guard, s)];
      for (let v = 0; v < solution.height; v++)
        for (let u = 0; u < solution.width; u++) {
          const weight = (wy[v] as number) * (wx[u] as number);
          const [to, from] = [((top + v) * width + left + u) * C, (v * solution.width + u) * C];
          for (let c = 0; c < C; c++)
            sum[to + c] = (sum[to + c] as number) + weight * (solution.data[from + c] as number);
        }
    },
    finish: () => ({
      ...bare,
      width,
      height,
      data: sum,
      ...(alpha && { alpha: enlargeAlpha(alpha, input, cut.simulated ? 1 : s) }),
    }),
  };
}

/** The measurement of a large picture, block by block: each from a window that is wider by what the blur reaches. */
async function degraded(
  truth: Picture,
  task: Task,
  options: TaskOptions & { noise: number; seed: number },
  side: number,
): Promise<Picture> {
  const s = task === "sr" ? (options.scale ?? 4) : 1;
  const r = task === "deblur" ? reachOf(options) : 0;
  const { mask } = options;
  const wide = r ? padReflect(truth, { left: r, right: r, top: r, bottom: r }) : truth;
  const [width, height, C] = [truth.width / s, truth.height / s, truth.channels];
  const out: Picture = { ...truth, width, height, data: new Float32Array(width * height * C) };
  let block = 0;
  for (let y = 0; y < height; y += side)
    for (let x = 0; x < width; x += side) {
      const [w, h] = [Math.min(side, width - x), Math.min(side, height - y)];
      const rect = { x: x * s, y: y * s, width: w * s + 2 * r, height: h * s + 2 * r };
      const made = await simulate(crop(wide, rect), task, {
        ...options,
        ...(mask && { mask: window(mask, rect) }),
        // each block its own noise
        seed: options.seed + 1_000_003 * block++,
      });
      const part = await asPicture(made.y, made.measurement);
      dispose([made.y, made.A.holds]);
      for (let v = 0; v < h; v++) {
        const from = ((v + r) * part.width + r) * C;
        out.data.set(part.data.subarray(from, from + w * C), ((y + v) * width + x) * C);
      }
    }
  return out;
}

interface Span {
  start: number;
  length: number;
  /** Pixels shared with the neighbour on either side. */
  before: number;
  after: number;
}

/** As few stretches of equal length, at most `side`, as cover n with at least this overlap. */
export function spans(n: number, side: number, overlap: number): Span[] {
  const count = n <= side ? 1 : Math.ceil((n - overlap) / (side - overlap));
  const length = Math.ceil((n + (count - 1) * overlap) / count);
  const starts = Array.from({ length: count }, (_, i) =>
    count === 1 ? 0 : Math.floor((i * (n - length)) / (count - 1)),
  );
  const shared = (i: number) => (i > 0 && i < count ? (starts[i - 1] as number) + length - (starts[i] as number) : 0);
  return starts.map((start, i) => ({ start, length, before: shared(i), after: shared(i + 1) }));
}

/** Weights along a span s times as long; those of two neighbours sum to 1. */
export function fade({ length, before, after }: Span, guard: number, s: number): number[] {
  const rise = (i: number, shared: number) =>
    shared ? Math.max(0, Math.min(1, (i + 0.5 - guard * s) / ((shared - 2 * guard) * s))) : 1;
  return Array.from({ length: length * s }, (_, i) => rise(i, before) * rise(length * s - 1 - i, after));
}

function window({ width, data }: Mask, at: { x: number; y: number; width: number; height: number }): Mask {
  const part = Float32Array.from(
    { length: at.width * at.height },
    (_, i) => data[(at.y + Math.floor(i / at.width)) * width + at.x + (i % at.width)] as number,
  );
  return { width: at.width, height: at.height, data: part };
}

/** Mid-grey where the mask is 0. */
function blank(p: Picture, mask: Mask | undefined): Picture {
  if (!mask) return p;
  if (mask.width !== p.width || mask.height !== p.height)
    throw new RangeError(
      `mask: the picture is ${p.width}x${p.height}, the mask ${mask.width}x${mask.height}; they must agree`,
    );
  return { ...p, data: p.data.map((v, i) => (mask.data[Math.floor(i / p.channels)] ? v : 0)) };
}

/** A box of a quarter of the sides in the middle is unknown. */
function boxOf({ width, height }: Picture): Mask {
  const [w, h] = [Math.round(width / 4), Math.round(height / 4)];
  const [left, top] = [(width - w) >> 1, (height - h) >> 1];
  const inside = (x: number, y: number) => x >= left && x < left + w && y >= top && y < top + h;
  const data = Float32Array.from({ length: width * height }, (_, i) =>
    inside(i % width, Math.floor(i / width)) ? 0 : 1,
  );
  return { width, height, data };
}
