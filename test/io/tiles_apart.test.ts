import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { afterAll, expect, test } from "vitest";
import { openTiles, type TileSpec } from "../../src/io/open_tiles.ts";
import type { TileSource } from "../../src/io/tiles.ts";
import { openTilesApart } from "../../src/io/tiles_apart.ts";

const folder = mkdtempSync(join(tmpdir(), "proxel-apart-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const pictures = join(folder, "pictures");
mkdirSync(pictures);
for (let i = 0; i < 3; i++) {
  const data = Uint8Array.from({ length: 40 * 30 * 3 }, (_, k) => (k * (37 + i) + (k >> 5)) % 256);
  await sharp(data, { raw: { width: 40, height: 30, channels: 3 } })
    .png()
    .toFile(join(pictures, `${i}.png`));
}
const SPECS: TileSpec[] = [
  { kind: "dead-leaves", options: { width: 16, height: 16, seed: 5 } },
  { kind: "folder", path: pictures, options: { size: 16, seed: 2, perPicture: 4 } },
];

const tiles = (source: TileSource, numbers: readonly number[]) =>
  Promise.all(
    numbers.map(async (i) => {
      const out = new Uint8Array(source.width * source.height * source.channels);
      await source.tile(i, out);
      return out;
    }),
  );

test("tiles of another thread are the same, whatever the order they are asked in", async () => {
  using apart = await openTilesApart(SPECS);
  expect(apart.reason).toBeUndefined();
  for (const [i, spec] of SPECS.entries()) {
    const here = await openTiles(spec);
    const there = apart.sources[i] as TileSource;
    expect({ ...there, tile: 0 }).toEqual({ ...here, tile: 0 });
    const numbers = [7, 0, 3, 7, 11];
    expect(await tiles(there, numbers)).toEqual(await tiles(here, numbers));
  }
});

test("errors cross over: their kind and their words", async () => {
  const nowhere: TileSpec = { kind: "folder", path: join(folder, "nowhere"), options: {} };
  await expect(openTilesApart([nowhere])).rejects.toThrow(/no such file or folder/);
  const broken = join(folder, "broken");
  mkdirSync(broken);
  writeFileSync(join(broken, "a.png"), "not a picture");
  using apart = await openTilesApart([{ kind: "folder", path: broken, options: { size: 16 } }]);
  const [source] = apart.sources as [TileSource];
  await expect(tiles(source, [0])).rejects.toThrow(/a\.png/);
  await expect(tiles(source, [999])).rejects.toThrow(RangeError);
});

test("a worker that was ended answers no more, and says so", async () => {
  const apart = await openTilesApart(SPECS.slice(0, 1));
  const waiting = tiles(apart.sources[0] as TileSource, [1]);
  apart[Symbol.dispose]();
  await expect(waiting).rejects.toThrow(/their worker ended/);
  await expect(tiles(apart.sources[0] as TileSource, [1])).rejects.toThrow(/their worker ended/);
});

test("nobody has to end it: the process ends by itself, and not before its tiles are there", () => {
  const command = fileURLToPath(new URL("../../dist/proxel.js", import.meta.url));
  const options = ["--steps", "1", "--batch", "2", "--size", "16", "--channels", "32", "--multipliers", "1"];
  const { status, stderr } = spawnSync(process.execPath, [command, "train", "-o", join(folder, "run"), ...options], {
    encoding: "utf8",
    timeout: 60_000,
  });
  expect(stderr).not.toMatch(/main thread/);
  expect(status, stderr).toBe(0);
});
