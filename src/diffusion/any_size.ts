import { mul } from "../../kernels/broadcast.ts";
import { concatBatch, sliceBatch } from "../../kernels/concat.ts";
import { crop, pad } from "../../kernels/pad.ts";
import { tiles, untile } from "../../kernels/tiles.ts";
import { scope } from "../tensor/scope.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import type { Denoiser } from "./denoiser.ts";

export interface AnySizeOptions {
  /** Pixels that neighbouring tiles share, by default 16, or half of a small tile; results are blended across them. */
  overlap?: number;
  /** Pixels in one call of the network: bounds the memory, whatever the picture's size. */
  pixels?: number;
}

/**
 * A denoiser of pictures of any size. Where the network wants multiples, the picture is extended by reflection and the
 * result cropped. Where it has a `fixedSize` (its statistics were learnt at that extent), larger pictures are cut into
 * tiles of that side, denoised in batches, and blended with weights that fall off linearly across the overlap.
 */
export function anySize(denoiser: Denoiser, options: AnySizeOptions = {}): Denoiser {
  const { fixedSize: tile, multipleOf } = denoiser;
  const { overlap = Math.min(16, (tile ?? 64) >> 1), pixels = 1 << 18 } = options;
  const most = (tile ?? Number.POSITIVE_INFINITY) - 1;
  if (!Number.isInteger(overlap) || overlap < 0 || overlap > most || !(pixels >= 1))
    throw new RangeError(
      `anySize: overlap expects whole pixels from 0 to ${most}, got ${overlap}; pixels at least 1, got ${pixels}`,
    );
  const call = (x: Tensor, sigma: number | readonly number[]): Tensor =>
    scope(() => {
      const [N, H, W, C] = x.shape as [number, number, number, number];
      const whole = tile === undefined || (H <= tile && W <= tile);
      const up = (n: number) => Math.ceil(n / multipleOf) * multipleOf;
      const stride = (tile ?? 0) - overlap;
      const cover = (n: number) =>
        n <= (tile as number) ? (tile as number) : Math.ceil((n - overlap) / stride) * stride + overlap;
      const [h, w] = whole ? [up(H), up(W)] : [cover(H), cover(W)];
      const grown = extend(x, h, w);
      const crops = (y: Tensor) => (h === H && w === W ? y : crop(y, [(h - H) >> 1, (w - W) >> 1, H, W]));
      if (whole) return crops(denoiser(grown, sigma));

      const t = tile as number;
      const cut = tiles(grown, { tile: t, stride });
      const count = cut.shape[0] as number;
      const sigmas =
        typeof sigma === "number"
          ? sigma
          : Array.from({ length: count }, (_, i) => sigma[Math.floor((i * N) / count)] as number);
      const step = Math.max(1, Math.floor(pixels / (t * t)));
      const parts: Tensor[] = [];
      for (let i = 0; i < count; i += step) {
        const n = Math.min(step, count - i);
        const some = typeof sigmas === "number" ? sigmas : sigmas.slice(i, i + n);
        parts.push(scope(() => denoiser(n === count ? cut : sliceBatch(cut, i, n), some)));
      }
      const denoised = parts.length === 1 ? (parts[0] as Tensor) : concatBatch(parts);
      const ramp = window(t, overlap);
      const weights = tensor(
        [1, t, t, 1],
        Float32Array.from({ length: t * t }, (_, k) => (ramp[Math.floor(k / t)] as number) * (ramp[k % t] as number)),
      );
      const sum = untile(mul(denoised, weights), [N, h, w, C], { tile: t, stride });
      const down = tensor([1, h, 1, 1], total(h, ramp, stride).map(inverse));
      const across = tensor([1, 1, w, 1], total(w, ramp, stride).map(inverse));
      return crops(mul(mul(sum, down), across));
    });
  const { fixedSize: _, ...rest } = denoiser;
  return Object.assign(call, { ...rest, multipleOf: 1 });
}

/** x in the middle of h by w, extended by reflection, or by its edge where it is too small to be reflected. */
function extend(x: Tensor, h: number, w: number): Tensor {
  const [, H, W] = x.shape as [number, number, number];
  if (h === H && w === W) return x;
  const [top, left] = [(h - H) >> 1, (w - W) >> 1];
  const border = [top, h - H - top, left, w - W - left] as const;
  const reflects = Math.max(border[0], border[1]) < H && Math.max(border[2], border[3]) < W;
  return pad(x, border, reflects ? "reflect" : "replicate");
}

const inverse = (x: number) => 1 / x;
const window = (t: number, overlap: number): number[] =>
  Array.from({ length: t }, (_, i) => Math.min(1, (i + 0.5) / overlap, (t - i - 0.5) / overlap));

/** The sum over all tiles of their window, along one axis of length n. */
function total(n: number, ramp: readonly number[], stride: number): number[] {
  const sum = new Array<number>(n).fill(0);
  for (let start = 0; start + ramp.length <= n; start += stride)
    ramp.forEach((r, i) => (sum[start + i] = (sum[start + i] as number) + r));
  return sum;
}
