import type { Rng } from "../../kernels/random.ts";
import type { TileSource } from "../io/tiles.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";

export interface Mix {
  readonly tiles: TileSource;
  readonly weight: number;
}

/**
 * A batch [N, size, size, 3] in [-1, 1]: each picture from one of the sources by weight, cropped at random, flipped by chance.
 * It depends on the generator only, so a step can be made again after a crash.
 */
export async function drawBatch(
  mix: readonly Mix[],
  { size, count }: { size: number; count: number },
  rng: Rng,
): Promise<Tensor> {
  const total = mix.reduce((sum, { weight }) => sum + weight, 0);
  const out = new Float32Array(count * size * size * 3);
  // all are drawn before the first is waited for, so that a source apart has them at once
  const pictures = Array.from({ length: count }, () => {
    let pick = rng.number() * total;
    const { tiles } = mix.find(({ weight }) => (pick -= weight) < 0) ?? (mix.at(-1) as Mix);
    const { width, height } = tiles;
    if (width < size || height < size)
      throw new RangeError(
        `train: ${tiles.name} has tiles of ${width}x${height}, --size ${size} needs at least that side`,
      );
    const tile = rng.integer(0, tiles.count - 1);
    const [left, top, flip] = [rng.integer(0, width - size), rng.integer(0, height - size), rng.number() < 0.5];
    return { tiles, tile, left, top, flip };
  });
  const one = async ({ tiles, tile, left, top, flip }: (typeof pictures)[number], n: number) => {
    const { width, height, channels } = tiles;
    const from = new Uint8Array(width * height * channels);
    await tiles.tile(tile, from);
    for (let y = 0; y < size; y++)
      for (let x = 0; x < size; x++) {
        const at = ((top + y) * width + left + (flip ? size - 1 - x : x)) * channels;
        const to = ((n * size + y) * size + x) * 3;
        for (let c = 0; c < 3; c++) out[to + c] = (from[at + (channels === 3 ? c : 0)] as number) / 127.5 - 1;
      }
  };
  await Promise.all(pictures.map(one));
  return tensor([count, size, size, 3], out);
}
