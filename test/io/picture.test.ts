import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateSync } from "node:zlib";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ProxelError } from "../../src/errors.ts";
import { draws } from "../../src/io/hash.ts";
import {
  centreCrop,
  checkOutput,
  crop,
  dequantise,
  type Picture,
  padReflect,
  padToMultiple,
  quantise,
  readPicture,
  reflectIndex,
  toGrey,
  toRgb,
  writePicture,
} from "../../src/io/picture.ts";
import { decodePicture, encodePicture, readBytes, writeBytes } from "../../src/io/platform.node.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "proxel-picture-"));
});
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string) => join(folder, name);

function randomPicture(width: number, height: number, channels: 1 | 3, bits: 8 | 16 = 8, alpha = false): Picture {
  const random = draws(width, height, channels, bits);
  const peak = bits === 16 ? 65535 : 255;
  const values = (n: number) => Float32Array.from({ length: n }, () => random.below(peak + 1) / peak);
  const data = values(width * height * channels).map((v) => 2 * v - 1);
  return { width, height, channels, bits, data, ...(alpha && { alpha: values(width * height) }) };
}

/** Largest difference in levels of the file's depth. */
function worst(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  let most = 0;
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i]! - b[i]!));
  return most;
}

/** A PNG made by hand, so that sharp is not its own witness. */
function handPng(width: number, height: number, bits: number, colourType: number, rows: number[][]): Uint8Array {
  const chunk = (type: string, data: Uint8Array) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const out = Buffer.alloc(body.length + 8);
    out.writeUInt32BE(data.length, 0);
    body.copy(out, 4);
    out.writeUInt32BE(crc32(body), body.length + 4);
    return out;
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([bits, colourType, 0, 0, 0], 8);
  const raw = Buffer.concat(rows.map((row) => Buffer.from([0, ...row])));
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10]),
    chunk("IHDR", head),
    chunk("IDAT", deflateSync(raw)),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}
/** node:zlib has its own only from Node 20.15 on. */
function crc32(bytes: Uint8Array): number {
  let c = 0xffffffff;
  for (const byte of bytes) {
    c ^= byte;
    for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
  }
  return (c ^ 0xffffffff) >>> 0;
}

describe("decodePicture and encodePicture", () => {
  for (const channels of [1, 3] as const)
    for (const bits of [8, 16] as const)
      for (const alpha of [false, true])
        it(`PNG of ${channels} channels, ${bits} bits${alpha ? ", alpha" : ""} comes back as it went`, async () => {
          const p = randomPicture(13, 7, channels, bits, alpha);
          const q = await decodePicture(await encodePicture(p, "png"), "x.png");
          expect(q).toMatchObject({ width: 13, height: 7, channels, bits, name: "x.png" });
          expect(worst(p.data, q.data)).toBeLessThan(1e-6);
          expect(q.alpha === undefined).toBe(!alpha);
          if (alpha) expect(worst(p.alpha!, q.alpha!)).toBeLessThan(1e-6);
        });

  it("reads samples of a PNG made by hand: 16-bit grey and 16-bit RGB", async () => {
    const grey = await decodePicture(handPng(2, 1, 16, 0, [[0x12, 0x34, 0xff, 0xff]]));
    expect(grey).toMatchObject({ channels: 1, bits: 16, width: 2, height: 1 });
    expect(grey.data[0]).toBeCloseTo((2 * 0x1234) / 65535 - 1, 6);
    expect(grey.data[1]).toBe(1);
    const colour = await decodePicture(handPng(1, 1, 16, 2, [[0, 1, 0x80, 0, 0xab, 0xcd]]));
    expect(
      worst(
        colour.data,
        [1, 0x8000, 0xabcd].map((v) => (2 * v) / 65535 - 1),
      ),
    ).toBeLessThan(1e-6);
  });

  it("keeps a grey JPEG one channel, and JPEG and WebP near the picture", async () => {
    const flat = (channels: 1 | 3): Picture => ({
      ...randomPicture(32, 24, channels),
      data: new Float32Array(32 * 24 * channels).map((_, i) => Math.sin(i / 400)),
    });
    const grey = await decodePicture(await encodePicture(flat(1), "jpeg"));
    expect(grey.channels).toBe(1);
    expect(worst(grey.data, flat(1).data)).toBeLessThan(0.06);
    for (const format of ["jpeg", "webp"] as const)
      expect(worst((await decodePicture(await encodePicture(flat(3), format))).data, flat(3).data)).toBeLessThan(0.15);
    expect((await encodePicture(flat(3), "jpeg", { quality: 20 })).length).toBeLessThan(
      (await encodePicture(flat(3), "jpeg", { quality: 98 })).length,
    );
  });

  it("drops alpha for JPEG, keeps it in WebP", async () => {
    const p = randomPicture(16, 16, 3, 8, true);
    expect((await decodePicture(await encodePicture(p, "jpeg"))).alpha).toBeUndefined();
    expect(worst((await decodePicture(await encodePicture(p, "webp"))).alpha!, p.alpha!)).toBeLessThan(0.01);
  });

  it("stands EXIF-turned pictures up", async () => {
    const wide = sharp({ create: { width: 20, height: 10, channels: 3, background: "#000" } });
    const bytes = await wide.withMetadata({ orientation: 6 }).jpeg().toBuffer();
    expect(await decodePicture(bytes)).toMatchObject({ width: 10, height: 20 });
  });

  it("turns palettes and CMYK into RGB", async () => {
    const red = sharp({ create: { width: 8, height: 8, channels: 3, background: "#f00" } });
    const palette = await decodePicture(await red.clone().png({ palette: true }).toBuffer());
    expect([palette.channels, ...palette.data.slice(0, 3)]).toEqual([3, 1, -1, -1]);
    const cmyk = await decodePicture(await red.clone().toColourspace("cmyk").jpeg().toBuffer());
    expect(cmyk.channels).toBe(3);
    expect(cmyk.data[0]).toBeGreaterThan(0.5);
    expect(cmyk.data[1]).toBeLessThan(-0.3);
  });

  it("says what is wrong with a file, by name", async () => {
    const png = await encodePicture(randomPicture(40, 40, 3), "png");
    const jpeg = await encodePicture(randomPicture(40, 40, 3), "jpeg");
    await expect(decodePicture(png.subarray(0, png.length >> 1), "a.png")).rejects.toThrow(
      /^a\.png: .*truncated or damaged/,
    );
    await expect(decodePicture(png.subarray(0, 20), "a.png")).rejects.toThrow(/^a\.png: .*truncated or damaged/);
    await expect(decodePicture(jpeg.subarray(0, jpeg.length >> 1), "a.jpg")).rejects.toThrow(
      /^a\.jpg: .*truncated or damaged/,
    );
    await expect(decodePicture(new Uint8Array(0), "a.png")).rejects.toThrow(
      "a.png: expected a picture, got an empty file",
    );
    await expect(decodePicture(Buffer.from("hello, this is text"), "a.png")).rejects.toThrow(
      /^a\.png: expected a PNG, JPEG or WebP picture/,
    );
    await expect(decodePicture(Buffer.from("GIF89a............"), "a.gif")).rejects.toThrow(/got a GIF; convert/);
    await expect(decodePicture(Buffer.from("<svg xmlns='x'/>"), "a.svg")).rejects.toBeInstanceOf(ProxelError);
    await expect(readPicture(file("none.png"))).rejects.toThrow(/none\.png: no such file/);
    await expect(readPicture(folder)).rejects.toThrow(/this is a folder/);
  });
});

describe("writePicture", () => {
  const p = randomPicture(5, 4, 3);
  it("goes by extension and refuses to replace", async () => {
    for (const name of ["a.png", "a.JPG", "a.webp"]) {
      await writePicture(file(name), p);
      expect(await readPicture(file(name))).toMatchObject({ width: 5, height: 4 });
    }
    expect([...readFileSync(file("a.JPG")).subarray(0, 2)]).toEqual([0xff, 0xd8]);
    await expect(writePicture(file("a.png"), p)).rejects.toThrow(/a\.png: exists already; give --force/);
    await expect(checkOutput(file("a.png"))).rejects.toThrow(/exists already/);
    await writePicture(file("a.png"), { ...p, data: p.data.map(() => 1) }, { force: true });
    expect((await readPicture(file("a.png"))).data[0]).toBe(1);
    await expect(writePicture(file("a.gif"), p)).rejects.toThrow(/expected an output name ending in/);
    await expect(writePicture(file("noextension"), p)).rejects.toThrow(/expected an output name ending in/);
    await expect(writePicture(file("no/such/a.png"), p)).rejects.toThrow(/folder .* does not exist/);
  });
  it("leaves the old file and no leftovers when writing goes wrong", async () => {
    writeFileSync(file("old.bin"), "old");
    const broken = {
      get length() {
        throw new Error("disk on fire");
      },
    } as unknown as Uint8Array;
    await expect(writeBytes(file("old.bin"), broken)).rejects.toThrow();
    expect(readFileSync(file("old.bin"), "utf8")).toBe("old");
    expect(readdirSync(folder).filter((name) => name.includes(".part"))).toEqual([]);
  });
  it("writes through a link and into a device, not over them", async () => {
    writeFileSync(file("target.bin"), "old");
    symlinkSync(file("target.bin"), file("link.bin"));
    await writeBytes(file("link.bin"), Buffer.from("new"));
    expect(readFileSync(file("target.bin"), "utf8")).toBe("new");
    if (existsSync("/dev/null")) {
      await writeBytes("/dev/null", Buffer.from("gone"));
      expect((await readBytes("/dev/null")).length).toBe(0);
    }
  });
});

describe("geometry", () => {
  const ramp = (width: number, height: number, channels: 1 | 3 = 1): Picture => ({
    width,
    height,
    channels,
    bits: 8,
    data: Float32Array.from({ length: width * height * channels }, (_, i) => i / 1000),
    alpha: Float32Array.from({ length: width * height }, (_, i) => i / 1000),
  });
  it("reflects by any reach", () => {
    expect(Array.from({ length: 13 }, (_, i) => reflectIndex(i - 5, 3))).toEqual([
      1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1,
    ]);
    expect([reflectIndex(-7, 1), reflectIndex(9, 1)]).toEqual([0, 0]);
    const padded = padReflect(ramp(3, 2), { left: 4, right: 5, top: 3, bottom: 2 });
    expect(padded).toMatchObject({ width: 12, height: 7 });
    for (let y = 0; y < 7; y++)
      for (let x = 0; x < 12; x++)
        expect(padded.data[y * 12 + x]).toBeCloseTo((reflectIndex(y - 3, 2) * 3 + reflectIndex(x - 4, 3)) / 1000, 6);
    expect(padded.alpha).toEqual(padded.data);
  });
  it("pads to a multiple and crops back", () => {
    const p = ramp(13, 5, 3);
    const padded = padToMultiple(p, 8);
    expect(padded).toMatchObject({ width: 16, height: 8 });
    expect(padToMultiple(padded, 8)).toMatchObject({ width: 16, height: 8 });
    expect(crop(padded, { x: 0, y: 0, width: 13, height: 5 })).toEqual(p);
    expect(padToMultiple(ramp(1, 1), 64)).toMatchObject({ width: 64, height: 64 });
  });
  it("crops the centre and refuses what is outside", () => {
    const centre = centreCrop(ramp(7, 4), 2);
    expect([...centre.data].map((v) => Math.round(v * 1000))).toEqual([9, 10, 16, 17]);
    expect(() => centreCrop(ramp(7, 4), 5)).toThrow(/larger than the picture \(7x4\)/);
    expect(() => crop(ramp(7, 4), { x: 6, y: 0, width: 2, height: 1 })).toThrow(/does not lie inside/);
    expect(() => crop(ramp(7, 4), { x: 0.5, y: 0, width: 2, height: 1 })).toThrow(RangeError);
  });
  it("goes to grey and back, and through bytes exactly", () => {
    const grey = toGrey({ ...ramp(1, 1, 3), data: Float32Array.of(1, 0.5, -1) });
    expect(grey.data[0]).toBeCloseTo(0.299 + 0.5 * 0.587 - 0.114, 6);
    expect([...toRgb(grey).data]).toEqual([grey.data[0], grey.data[0], grey.data[0]]);
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
    expect(quantise(dequantise(bytes))).toEqual(bytes);
    expect([...quantise([-7, 7, 0, Number.NaN])]).toEqual([0, 255, 128, 0]);
  });
});
