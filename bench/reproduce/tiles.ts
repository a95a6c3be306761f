import { type Rng, rng } from "../../kernels/random.ts";
import type { TileSource } from "../../src/io/tiles.ts";
import type { LinearOperator } from "../../src/linalg/operator.ts";
import { psnr } from "../../src/metrics/psnr.ts";
import { ssim } from "../../src/metrics/ssim.ts";
import { addNoise } from "../../src/physics/noise.ts";
import { dispose, scope } from "../../src/tensor/scope.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { type Comparison, paired } from "./paired.ts";

/** Pictures [size, size, 3] in [-1, 1], side by side, that no training may see. */
export interface TestTiles {
  readonly size: number;
  readonly count: number;
  readonly data: Float32Array;
}

/** `count` tiles spread evenly over the sources, each cut out at its middle: the same in every run. */
export async function testTiles(
  sources: readonly TileSource[],
  { size, count }: { size: number; count: number },
): Promise<TestTiles> {
  const all = sources.reduce((sum, source) => sum + Math.min(source.count, 1e6), 0);
  if (all < count) throw new RangeError(`test: ${all} tiles are there, ${count} were asked for`);
  const data = new Float32Array(count * size * size * 3);
  for (let n = 0; n < count; n++) {
    let i = Math.floor((n * all) / count);
    const from = sources.find((source) => (i -= Math.min(source.count, 1e6)) < 0) as TileSource;
    i += Math.min(from.count, 1e6);
    const { width, height, channels } = from;
    if (width < size || height < size)
      throw new RangeError(`test: ${from.name} has tiles of ${width}x${height}, --size ${size} needs that side`);
    const bytes = new Uint8Array(width * height * channels);
    await from.tile(i, bytes);
    const [left, top] = [(width - size) >> 1, (height - size) >> 1];
    for (let y = 0; y < size; y++)
      for (let x = 0; x < size; x++)
        for (let c = 0; c < 3; c++)
          data[((n * size + y) * size + x) * 3 + c] =
            (bytes[((top + y) * width + left + x) * channels + (channels === 3 ? c : 0)] as number) / 127.5 - 1;
  }
  return { size, count, data };
}

export interface Measured {
  readonly y: Tensor;
  readonly A: LinearOperator;
  /** In signed units. */
  readonly sigmaNoise: number;
}
/** Of each picture. */
export interface Scores {
  readonly "PSNR (dB)": number[];
  readonly SSIM: number[];
}

/**
 * Measures the tiles, a batch at a time, solves, and scores: both pictures clamped to [-1, 1], SSIM by Gaussian windows. The noise
 * depends on the seed alone, so that two methods see the same measurements.
 */
export async function scored(
  { size, count, data }: TestTiles,
  { A, sigmaNoise, batch = 25, seed = 1 }: { A: LinearOperator; sigmaNoise: number; batch?: number; seed?: number },
  solve: (problem: Measured, random: Rng) => Promise<Tensor>,
): Promise<Scores> {
  const out: Scores = { "PSNR (dB)": [], SSIM: [] };
  const clamp = [-1, 1] as const;
  const pixels = size * size * 3;
  for (let first = 0; first < count; first += batch) {
    const n = Math.min(batch, count - first);
    const random = rng(seed).fork(first);
    const y = scope(() => {
      const x = tensor([n, size, size, 3], data.subarray(first * pixels, (first + n) * pixels));
      return addNoise(A.apply(x), sigmaNoise, random.fork(0));
    });
    const x = await solve({ y, A, sigmaNoise }, random.fork(1));
    const got = (await x.read()).map((v) => Math.max(-1, Math.min(1, v)));
    dispose([x, y]);
    for (let i = 0; i < n; i++) {
      const one = got.subarray(i * pixels, (i + 1) * pixels);
      const truth = data.subarray((first + i) * pixels, (first + i + 1) * pixels);
      out["PSNR (dB)"].push(psnr(one, truth, { clamp }));
      out.SSIM.push(ssim(one, truth, { width: size, height: size, channels: 3 }));
    }
  }
  return out;
}

/** A row for each metric that both have: a against b on one task. */
export const compared = (task: string, names: readonly [string, string], a: Scores, b: Scores): Comparison[] =>
  (Object.keys(a) as (keyof Scores)[]).map((metric) => ({ task, metric, names, ...paired(a[metric], b[metric]) }));
