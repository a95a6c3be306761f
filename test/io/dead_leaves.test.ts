import { describe, expect, it } from "vitest";
import { deadLeaves, deadLeavesPicture } from "../../src/io/dead_leaves.ts";

const size = 64 * 64 * 3;
function tile(i: number, options = {}): Uint8Array {
  const source = deadLeaves(options);
  const out = new Uint8Array(source.width * source.height * source.channels);
  source.tile(i, out);
  return out;
}

describe("dead leaves", () => {
  it("are the same for the same number, whatever came before, and differ otherwise", () => {
    const first = tile(7);
    tile(8);
    expect(tile(7)).toEqual(first);
    expect(tile(8)).not.toEqual(first);
    expect(tile(7, { seed: 1 })).not.toEqual(first);
  });
  it("cover the picture and use the range", () => {
    let [low, high, sum] = [0, 0, 0];
    for (let i = 0; i < 40; i++) {
      const t = tile(i);
      expect(t.every((v) => Number.isFinite(v))).toBe(true);
      for (const v of t) {
        low += v < 8 ? 1 : 0;
        high += v > 247 ? 1 : 0;
        sum += v;
      }
    }
    const mean = sum / (40 * size);
    expect(mean).toBeGreaterThan(85);
    expect(mean).toBeLessThan(150);
    expect((low + high) / (40 * size), "clipped").toBeLessThan(0.15);
  });
  it("are coloured, but near grey", () => {
    let [chroma, contrast] = [0, 0];
    for (let i = 0; i < 20; i++) {
      const p = deadLeavesPicture(0, i, 32, 32);
      const mean = p.reduce((a, b) => a + b) / p.length;
      for (let k = 0; k < p.length; k += 3) {
        chroma += Math.abs(p[k]! - p[k + 2]!) / (20 * 1024);
        contrast += Math.abs(p[k + 1]! - mean) / (20 * 1024);
      }
    }
    expect(chroma).toBeGreaterThan(0.05);
    expect(chroma).toBeLessThan(0.3);
    expect(contrast).toBeGreaterThan(0.1);
  });
  it("have the power spectrum of natural pictures: about 1 / f^2", () => {
    // Mean squared Haar details of three scales: each doubling of scale should multiply them by about four, as 1/f^2
    // does; white noise gives one, smooth ramps sixteen.
    const energy = [1, 2, 4, 8].map((s) => {
      let sum = 0;
      let count = 0;
      for (let i = 0; i < 40; i++) {
        const p = deadLeavesPicture(3, i, 64, 64);
        for (let y = 0; y + 2 * s <= 64; y += 2 * s)
          for (let x = 0; x + 2 * s <= 64; x += 2 * s) {
            let d = 0;
            for (let v = 0; v < 2 * s; v++)
              for (let u = 0; u < 2 * s; u++) d += (u < s ? 1 : -1) * p[((y + v) * 64 + x + u) * 3 + 1]!;
            sum += (d / (2 * s)) ** 2; // orthonormal
            count++;
          }
      }
      return sum / count;
    });
    for (let k = 1; k < 4; k++) {
      expect(energy[k]! / energy[k - 1]!, `scale ${2 ** k}`).toBeGreaterThan(2);
      expect(energy[k]! / energy[k - 1]!, `scale ${2 ** k}`).toBeLessThan(7);
    }
  });
  it("come in grey and in other sizes, and fast", () => {
    expect(tile(0, { width: 33, height: 20, channels: 1 }).length).toBe(660);
    const source = deadLeaves();
    const out = new Uint8Array(size);
    for (let i = 0; i < 10; i++) source.tile(i, out);
    const start = performance.now();
    for (let i = 0; i < 50; i++) source.tile(i, out);
    // 180 a second on an idle core; twenty times slower is a bug, not a busy machine.
    expect((performance.now() - start) / 50).toBeLessThan(110);
    expect(() => source.tile(-1, out)).toThrow(/not one of/);
  });
});
