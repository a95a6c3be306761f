import { expect, test } from "vitest";
import { luma, RGB_FROM_YCC, recoloured, YCC_FROM_RGB } from "../../src/io/colour.ts";
import type { Picture } from "../../src/io/picture.ts";
import { uniforms } from "../lib/random.ts";

const picture = (data: ArrayLike<number>): Picture => ({
  width: data.length / 3,
  height: 1,
  channels: 3,
  bits: 8,
  data: Float32Array.from(data),
});

test("colours of known Y'CbCr, as libjpeg has them", () => {
  // bytes of R, G, B and of Y, Cb, Cr; 8-bit rounding apart
  for (const [rgb, ycc] of [
    [
      [255, 255, 255],
      [255, 128, 128],
    ],
    [
      [255, 0, 0],
      [76, 85, 255],
    ],
    [
      [0, 255, 0],
      [150, 44, 21],
    ],
    [
      [0, 0, 255],
      [29, 255, 107],
    ],
    [
      [200, 100, 50],
      [124, 86, 182],
    ],
  ] as const) {
    const [Y, Cb, Cr] = recoloured(picture(rgb.map((v) => v / 127.5 - 1)), YCC_FROM_RGB).data;
    const bytes = [(Y as number) * 127.5 + 127.5, (Cb as number) * 127.5 + 128, (Cr as number) * 127.5 + 128];
    bytes.forEach((v, i) => {
      expect(Math.abs(Math.min(255, v) - (ycc[i] as number))).toBeLessThan(0.6);
    });
  }
});

test("there and back is where it began, and Y is the luma", () => {
  const p = picture(uniforms(3 * 50, 1, -1, 1));
  const ycc = recoloured(p, YCC_FROM_RGB);
  recoloured(ycc, RGB_FROM_YCC).data.forEach((v, i) => {
    expect(v).toBeCloseTo(p.data[i] as number, 6);
  });
  expect([...luma(p)]).toEqual(Array.from({ length: 50 }, (_, i) => ycc.data[3 * i]));
  expect(() => recoloured({ ...p, channels: 1 }, YCC_FROM_RGB)).toThrow("3 channels, got 1");
});
