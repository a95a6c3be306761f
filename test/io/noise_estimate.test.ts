import { describe, expect, it } from "vitest";
import { draws } from "../../src/io/hash.ts";
import { estimateNoise } from "../../src/io/noise_estimate.ts";
import type { Picture } from "../../src/io/picture.ts";
import { dequantise, quantise } from "../../src/io/picture.ts";
import { scene } from "../../src/io/scene.ts";

function smooth(width: number, height: number): Picture {
  const data = new Float32Array(width * height * 3);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < 3; c++)
        data[(y * width + x) * 3 + c] =
          0.35 * Math.sin(x / 23 + c) * Math.cos(y / 31) + (Math.hypot(x - 40, y - 40) < 22 ? 0.3 : -0.1);
  return { width, height, channels: 3, data, bits: 8 };
}

function noisy(p: Picture, sigma: number, seed = 1): Picture {
  const random = draws(seed, 5);
  return { ...p, data: p.data.map((v) => v + sigma * random.normal()) };
}

describe("estimateNoise", () => {
  for (const [width, height] of [
    [128, 96],
    [57, 64],
    [256, 256],
  ])
    for (const unit of [0.01, 0.02, 0.05, 0.1, 0.2])
      it(`finds ${unit} (of [0, 1]) on ${width}x${height} within a tenth`, () => {
        const { sigma, perChannel } = estimateNoise(noisy(smooth(width!, height!), 2 * unit, width));
        expect(sigma / (2 * unit)).toBeGreaterThan(0.9);
        expect(sigma / (2 * unit)).toBeLessThan(1.1);
        for (const s of perChannel) expect(Math.abs(s / (2 * unit) - 1)).toBeLessThan(0.15);
      });
  it("is not fooled by texture: the demo scene at 0.05", () => {
    const { sigma } = estimateNoise(noisy(scene({ samples: 1 }), 0.1));
    expect(Math.abs(sigma / 0.1 - 1)).toBeLessThan(0.15);
  });
  it("survives clipping and rounding to 8 bits", () => {
    // A sky at the upper end fills two thirds: most of its windows clip.
    const p = smooth(128, 128);
    const bright = noisy({ ...p, data: p.data.map((v, i) => (i < p.data.length / 1.5 ? 0.85 : 0) + v / 8) }, 0.2);
    const { sigma } = estimateNoise({ ...bright, data: dequantise(quantise(bright.data)) });
    expect(Math.abs(sigma / 0.2 - 1)).toBeLessThan(0.15);
  });
  it("tells the channels apart", () => {
    const p = smooth(128, 128);
    const random = draws(3);
    const data = p.data.map((v, i) => v + [0.02, 0.1, 0.3][i % 3]! * random.normal());
    const { perChannel } = estimateNoise({ ...p, data });
    [0.02, 0.1, 0.3].forEach((s, c) => {
      expect(Math.abs(perChannel[c]! / s - 1)).toBeLessThan(0.15);
    });
  });
  it("finds nothing in flat and tiny pictures, and says what it needs", () => {
    const flat = (width: number, height: number): Picture => ({
      width,
      height,
      channels: 1,
      bits: 8,
      data: new Float32Array(width * height),
    });
    expect(estimateNoise(flat(64, 64)).sigma).toBe(0);
    expect(estimateNoise(flat(5, 5)).sigma).toBe(0);
    expect(() => estimateNoise(flat(2, 9))).toThrow(/at least 3x3/);
  });
});
