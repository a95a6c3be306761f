import { expect, test } from "vitest";
import { rng } from "../../kernels/random.ts";
import type { TileSource } from "../../src/io/tiles.ts";
import { drawBatch, type Mix } from "../../src/train/data.ts";
import { withGpu } from "../lib/gpu.ts";

withGpu();

/** Tiles whose pixels say which they are: red the tile, green the row, blue the column. */
const coordinates = (count: number, height: number, width: number, name = "coordinates"): TileSource => ({
  name,
  count,
  width,
  height,
  channels: 3,
  tile(i, out) {
    for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) out.set([i, y, x], (y * width + x) * 3);
  },
});
const grey = (value: number, width = 12): TileSource => ({
  ...{ name: `grey ${value}`, count: 1, width, height: width, channels: 1 },
  tile: async (_, out) => void out.fill(value),
});

/** The batch as bytes; every value must be one of theirs. */
async function draw(mix: readonly Mix[], size: number, count: number, stream: number) {
  const batch = await drawBatch(mix, { size, count }, rng(4).fork(stream));
  expect(batch.shape).toEqual([count, size, size, 3]);
  const bytes = [...(await batch.read())].map((v) => (v + 1) * 127.5);
  batch.dispose();
  expect(Math.max(...bytes.map((b) => Math.abs(b - Math.round(b))))).toBeLessThan(1e-4);
  return bytes.map(Math.round);
}

test("crops lie inside, in every place up to the edges, half of them flipped", async () => {
  const [size, count] = [8, 600];
  const [T, H, W] = [3, 10, 11];
  const bytes = await draw([{ tiles: coordinates(T, H, W), weight: 1 }], size, count, 0);
  const seen = new Map<string, number>();
  let flipped = 0;
  for (let n = 0; n < count; n++) {
    const at = (y: number, x: number, c: number) => bytes[((n * size + y) * size + x) * 3 + c] as number;
    const [tile, top, first, last] = [at(0, 0, 0), at(0, 0, 1), at(0, 0, 2), at(0, size - 1, 2)];
    const step = Math.sign(last - first);
    let wrong = 0;
    for (let y = 0; y < size; y++)
      for (let x = 0; x < size; x++)
        if (at(y, x, 0) !== tile || at(y, x, 1) !== top + y || at(y, x, 2) !== first + step * x) wrong++;
    expect(wrong, `pixels of picture ${n}`).toBe(0);
    const key = `${tile} ${top} ${Math.min(first, last)}`;
    seen.set(key, (seen.get(key) ?? 0) + 1);
    if (step < 0) flipped++;
  }
  const places = T * (H - size + 1) * (W - size + 1);
  expect(seen.size).toBe(places);
  expect(Math.max(...seen.values())).toBeLessThan((3 * count) / places);
  expect(Math.abs(flipped - count / 2)).toBeLessThan(4 * Math.sqrt(count / 4));
});

test("a stream gives one batch, another stream another", async () => {
  const mix = [{ tiles: coordinates(50, 32, 32), weight: 1 }];
  const [a, b, c] = [await draw(mix, 8, 4, 1), await draw(mix, 8, 4, 1), await draw(mix, 8, 4, 2)];
  expect(b).toEqual(a);
  expect(c).not.toEqual(a);
});

test("sources are drawn by weight, one of weight 0 never; grey fills three channels", async () => {
  const mix = [
    { tiles: grey(10), weight: 3 },
    { tiles: grey(20), weight: 0 },
    { tiles: grey(30), weight: 1 },
  ];
  const count = 800;
  const bytes = await draw(mix, 2, count, 3);
  const first = bytes.filter((_, i) => i % 12 === 0);
  expect(bytes).toEqual(first.flatMap((v) => new Array(12).fill(v)));
  const tens = first.filter((v) => v === 10).length;
  expect(first.filter((v) => v === 30).length).toBe(count - tens);
  expect(Math.abs(tens - 0.75 * count)).toBeLessThan(4 * Math.sqrt(count * 0.75 * 0.25));
});

test("tiles smaller than the crop are named", async () => {
  const small = drawBatch([{ tiles: grey(1, 12), weight: 1 }], { size: 16, count: 1 }, rng(0));
  await expect(small).rejects.toThrow("grey 1 has tiles of 12x12, --size 16 needs at least that side");
});
