import { describe, expect, it } from "vitest";
import { contactSheet, textWidth } from "../../src/io/contact_sheet.ts";
import { type Picture, quantise } from "../../src/io/picture.ts";
import { scene } from "../../src/io/scene.ts";
import { psnr8 } from "../../src/metrics/psnr.ts";

/** Blocks of n by n averaged. */
function shrunk(p: Picture, n: number): Float32Array {
  const [w, h] = [p.width / n, p.height / n];
  const out = new Float32Array(w * h * 3);
  for (let y = 0; y < p.height; y++)
    for (let x = 0; x < p.width; x++)
      for (let c = 0; c < 3; c++)
        out[(Math.floor(y / n) * w + Math.floor(x / n)) * 3 + c]! += p.data[(y * p.width + x) * 3 + c]! / n ** 2;
  return out;
}

describe("scene", () => {
  const small = scene({ width: 64, height: 64, samples: 4 });
  it("is the same each time, in range, and uses the range", () => {
    expect(scene({ width: 64, height: 64 }).data).toEqual(small.data);
    expect(small.data.every((v) => v >= -1 && v <= 1)).toBe(true);
    expect(Math.max(...small.data)).toBeGreaterThan(0.85);
    expect(Math.min(...small.data)).toBeLessThan(-0.75);
  });
  it("is one scene at every size: anti-aliased, not resampled", () => {
    expect(psnr8(shrunk(scene({ width: 128, height: 128, samples: 2 }), 2), small.data)).toBeGreaterThan(28);
    // Wider shows more at the sides; the middle stays.
    const wide = scene({ width: 96, height: 64, samples: 2 });
    const square = scene({ width: 64, height: 64, samples: 2 });
    for (const y of [5, 40, 60])
      expect(wide.data[(y * 96 + 16 + 40) * 3]).toBeCloseTo(square.data[(y * 64 + 40) * 3]!, 1);
  });
  it("has text that can be read: gold on dark where the sign is", () => {
    const p = scene({ samples: 1 });
    // Columns of the sign's middle row alternate between board and letters at least eight times.
    const row = Array.from({ length: 60 }, (_, k) => p.data[(110 * 256 + 170 + k) * 3]! > 0);
    expect(row.filter((v, k) => k > 0 && v !== row[k - 1]).length).toBeGreaterThanOrEqual(8);
  });
});

describe("contactSheet", () => {
  const flat = (v: number, width: number, height: number, channels: 1 | 3 = 3): Picture => ({
    width,
    height,
    channels,
    bits: 8,
    data: new Float32Array(width * height * channels).fill(v),
  });
  it("holds its pictures bit for bit and writes beside them only", () => {
    const p = scene({ width: 48, height: 40, samples: 1 });
    const rows = [
      { label: "deblur", caption: "measurement 21.30 dB → 27.85 dB", pictures: [p, flat(0.5, 48, 40), p] },
      { label: "sr 4×", pictures: [p, flat(-1, 48, 40, 1)] },
    ];
    const sheet = contactSheet(rows, { columns: ["truth", "measurement", "result"], tile: 48 });
    expect(sheet.data.length).toBe(sheet.width * sheet.height * 3);
    const bytes = quantise(p.data);
    const all = quantise(sheet.data);
    const found = [];
    const line = (y: number) => bytes.subarray(y * 48 * 3, (y + 1) * 48 * 3).join();
    for (let y = 0; y + 40 <= sheet.height; y++)
      for (let x = 0; x + 48 <= sheet.width; x++) {
        const at = (j: number) => all.subarray(((y + j) * sheet.width + x) * 3, ((y + j) * sheet.width + x + 48) * 3);
        if (
          at(0)[0] === bytes[0] &&
          at(0).join() === line(0) &&
          Array.from({ length: 40 }, (_, j) => j).every((j) => at(j).join() === line(j))
        )
          found.push([x, y]);
      }
    expect(found.length).toBe(3);
  });
  it("writes what stands under each picture below that picture", () => {
    const rows = (under: string[]) => [
      { label: "x", under, pictures: [flat(0, 64, 64), flat(0, 64, 64), flat(0, 64, 64)] },
    ];
    const [plain, written] = [
      contactSheet(rows([]), { tile: 64 }),
      contactSheet(rows(["", "", "27.85 dB"]), { tile: 64 }),
    ];
    const changed = Array.from(plain.data, (v, i) =>
      v === written.data[i] ? -1 : Math.floor(i / 3) % plain.width,
    ).filter((x) => x >= 0);
    // Third column: margin, two pictures and two gutters from the left.
    expect(changed.length).toBeGreaterThan(50);
    expect(Math.min(...changed)).toBeGreaterThan(28 + 2 * 76 - 3);
  });
  it("makes room for long captions, enlarges small pictures and refuses none", () => {
    const caption = "a caption that is far longer than the picture above it is wide, 0123456789";
    const sheet = contactSheet([{ label: "x", caption, pictures: [flat(0, 16, 16)] }], { tile: 64 });
    expect(sheet.width).toBeGreaterThan(textWidth(caption));
    expect(sheet.height).toBeGreaterThan(64);
    expect(() => contactSheet([])).toThrow(/at least one picture/);
  });
});
