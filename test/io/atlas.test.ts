import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openAtlas } from "../../src/io/atlas.ts";
import { openFolder } from "../../src/io/folder.ts";
import { dequantise, writePicture } from "../../src/io/picture.ts";

let folder = "";
const [W, H, COLS] = [5, 3, 4];
/** Value of tile i at (y, x), channel c: all different enough to tell a wrong stride. */
const value = (i: number, y: number, x: number, c: number) => (i * 37 + y * 11 + x * 5 + c * 83) % 256;
const header = {
  name: "toy",
  count: 9,
  tile: [W, H],
  channels: 3,
  cols: COLS,
  licence: "CC0",
  files: [
    { file: "toy_00.png", count: 6 },
    { file: "toy_01.png", count: 3 },
  ],
  labels: [0, 1, 0, 1, 0, 1, 0, 1, 0],
  classes: ["a", "b"],
};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "proxel-atlas-"));
  let first = 0;
  for (const { file, count } of header.files) {
    const rows = Math.ceil(count / COLS);
    const bytes = new Uint8Array(rows * H * COLS * W * 3);
    for (let i = 0; i < count; i++)
      for (let y = 0; y < H; y++)
        for (let x = 0; x < W; x++)
          for (let c = 0; c < 3; c++)
            bytes[(((Math.floor(i / COLS) * H + y) * COLS + (i % COLS)) * W + x) * 3 + c] = value(first + i, y, x, c);
    await writePicture(join(folder, file), {
      width: COLS * W,
      height: rows * H,
      channels: 3,
      bits: 8,
      data: dequantise(bytes),
    });
    first += count;
  }
  writeFileSync(join(folder, "toy.json"), JSON.stringify(header));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("openAtlas", () => {
  it("gives every tile, across files, in any order", async () => {
    const atlas = await openAtlas(join(folder, "toy.json"));
    expect(atlas).toMatchObject({
      name: "toy",
      count: 9,
      width: W,
      height: H,
      channels: 3,
      licence: "CC0",
      classes: ["a", "b"],
    });
    const out = new Uint8Array(W * H * 3);
    for (const i of [8, 0, 5, 6, 3, 1, 2, 4, 7]) {
      await atlas.tile(i, out);
      const want = Uint8Array.from({ length: out.length }, (_, k) =>
        value(i, Math.floor(k / 3 / W), Math.floor(k / 3) % W, k % 3),
      );
      expect(out, `tile ${i}`).toEqual(want);
    }
    expect(atlas.tile(2, out), "decoded: no waiting any more").toBeUndefined();
    expect(() => atlas.tile(9, out)).toThrow(/tile 9 is not one of 0\.\.8/);
    expect(() => atlas.tile(0, new Uint8Array(3))).toThrow(/expects 45 bytes/);
  });
  it("refuses headers and files that do not fit", async () => {
    const broken = async (change: object, what: RegExp) => {
      writeFileSync(join(folder, "bad.json"), JSON.stringify({ ...header, ...change }));
      const open = openAtlas(join(folder, "bad.json")).then((atlas) =>
        atlas.tile(8, new Uint8Array(atlas.width * atlas.height * 3)),
      );
      await expect(open).rejects.toThrow(what);
    };
    await broken({ count: 10 }, /bad\.json: .*9 tiles while count says 10/);
    await broken({ channels: 4 }, /channels 4/);
    await broken({ tile: [0, 3] }, /tile \[0,3\]/);
    await broken({ cols: 5 }, /toy_01\.png: 3 tiles in 5 columns expect 25x3 pixels, got 20x3/);
    await broken({ files: [{ file: "none.png", count: 9 }] }, /none\.png: no such file/);
    writeFileSync(join(folder, "bad.json"), "{");
    await expect(openAtlas(join(folder, "bad.json"))).rejects.toThrow(/atlas header in JSON/);
  });
});

describe("openFolder", () => {
  it("gives the same crops of its pictures each time, small ones reflected", async () => {
    const place = join(folder, "pictures");
    mkdirSync(place);
    const picture = (width: number, height: number) => ({
      width,
      height,
      channels: 3 as const,
      bits: 8 as const,
      data: dequantise(Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 7) % 256)),
    });
    await writePicture(join(place, "b.png"), picture(40, 30));
    await writePicture(join(place, "a.png"), picture(6, 50));
    writeFileSync(join(place, "notes.txt"), "not a picture");
    const open = (options = {}) => openFolder(place, { size: 16, perPicture: 3, ...options });
    const source = await open();
    expect(source.count).toBe(6);
    const tiles = await Promise.all(
      Array.from({ length: 6 }, async (_, i) => {
        const out = new Uint8Array(16 * 16 * 3);
        await source.tile(i, out);
        return out;
      }),
    );
    expect(new Set(tiles.map((t) => t.join())).size).toBe(6);
    // Another opening, backwards, with room for one picture only.
    const again = await open({ keep: 1 });
    const out = new Uint8Array(16 * 16 * 3);
    for (let i = 5; i >= 0; i--) {
      await again.tile(i, out);
      expect(out).toEqual(tiles[i]);
    }
    // a.png comes first and is 6 wide: column 6 is column 4 again, 7 is 3.
    for (const t of tiles.slice(0, 3))
      expect([...t.subarray(18, 24)]).toEqual([...t.subarray(12, 15), ...t.subarray(9, 12)]);
    const other = await open({ seed: 1 });
    await other.tile(3, out);
    expect(out).not.toEqual(tiles[3]);
    const grey = await open({ channels: 1, shrink: 2 });
    await grey.tile(5, new Uint8Array(256));
    await expect(openFolder(`${folder}/none`)).rejects.toThrow(/no such file or folder/);
    mkdirSync(join(folder, "empty"));
    await expect(openFolder(join(folder, "empty"))).rejects.toThrow(/got none/);
  });
});
