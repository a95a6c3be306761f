// Large pictures in pieces: the geometry, and that nobody sees the seams.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { formatNpy, parseNpy } from "../../src/io/npy.ts";
import { crop, type Picture, readPicture, toGrey, writePicture } from "../../src/io/picture.ts";
import { scene } from "../../src/io/scene.ts";
import { psnr8 } from "../../src/metrics/psnr.ts";
import { fade, spans } from "../../src/pieces.ts";
import { folder, json, proxel } from "../lib/command.ts";

test("pieces cover, overlap enough, are no larger than asked, and their weights sum to 1", () => {
  for (const [n, side, overlap, guard, s] of [
    [100, 100, 24, 8, 1],
    [101, 100, 24, 8, 1],
    [257, 90, 24, 8, 1],
    [1000, 97, 30, 10, 1],
    [300, 60, 18, 7, 4],
  ] as const) {
    const all = spans(n, side, overlap);
    const sum = new Float64Array(n * s);
    for (const span of all) {
      expect(span.length).toBeLessThanOrEqual(side);
      if (span.start > 0) expect(span.before).toBeGreaterThanOrEqual(overlap - 1);
      const weights = fade(span, guard, s);
      // what saw a reflection instead of the picture counts for nothing
      if (span.before) expect(Math.max(...weights.slice(0, guard * s))).toBe(0);
      weights.forEach((w, i) => (sum[span.start * s + i]! += w));
    }
    expect(all.at(-1)!.start + all.at(-1)!.length).toBe(n);
    expect(Math.max(...sum.map((v) => Math.abs(v - 1)))).toBeLessThan(1e-12);
  }
});

/** The largest mean step across the columns of one seam, against the columns beside it. */
function steps(a: Picture, b: Picture): number[] {
  const { width: w, height: h, channels: C } = a;
  const d = a.data.map((v, i) => v - b.data[i]!);
  return Array.from({ length: w - 1 }, (_, x) => {
    let sum = 0;
    for (let y = 0; y < h; y++)
      for (let c = 0; c < C; c++) sum += d[(y * w + x + 1) * C + c]! - d[(y * w + x) * C + c]!;
    return Math.abs(sum / (h * C));
  });
}

test("in pieces or whole: the same picture", async () => {
  const dir = folder();
  const at = (name: string) => join(dir, name);
  const alpha = new Float32Array(200 * 160).map((_, i) => (i % 200) / 199);
  await writePicture(at("in.png"), { ...scene({ width: 200, height: 160 }), alpha });
  const made = await proxel("degrade", at("in.png"), "--task", "denoise", "-o", at("y.png"));
  expect(made.code, made.stderr).toBe(0);
  const noise = ["--task", "denoise", "--noise", "0.1", "--json"];
  const whole = await proxel("restore", at("y.npy"), ...noise, "-o", at("whole.png"));
  const cut = await proxel("restore", at("y.npy"), ...noise, "-o", at("cut.png"), "--piece", "144");
  expect([whole.code, cut.code], cut.stderr).toEqual([0, 0]);
  expect(cut.stderr).toMatch(/y\.npy: 200x160 in 4 pieces of 124x104/);
  expect([json(whole).pieces, json(cut).pieces, json(cut).nfe]).toEqual([1, 4, 1]);
  expect(json(cut).peakBytes).toBeLessThan(json(whole).peakBytes);
  const [a, b] = [await readPicture(at("whole.png")), await readPicture(at("cut.png"))];
  expect(psnr8(a.data, b.data)).toBeGreaterThan(32);
  expect(Math.max(...steps(a, b))).toBeLessThan(0.02);
  expect(json(cut).residual / json(whole).residual).toBeCloseTo(1, 1);
});

test("each task simulates and restores in pieces, masks cut along, alpha kept", async () => {
  const dir = folder();
  const at = (name: string) => join(dir, name);
  const alpha = new Float32Array(176 * 64).map((_, i) => (i % 176) / 175);
  const truth: Picture = {
    ...crop(scene({ width: 192, height: 192 }), { x: 8, y: 90, width: 176, height: 64 }),
    alpha,
  };
  await writePicture(at("in.png"), truth);
  for (const [task, more] of [
    ["deblur", ["--blur", "1.5", "--noise", "0.02"]],
    ["sr", ["--scale", "2"]],
    ["inpaint", []],
  ] as const) {
    const args = ["restore", at("in.png"), "--task", task, ...more, "--simulate", "--steps", "4", "--json"];
    const whole = await proxel(...args, "-o", at(`${task}-whole.png`));
    const ran = await proxel(...args, "--piece", "144", "-o", at(`${task}.png`));
    expect([whole.code, ran.code], ran.stderr).toEqual([0, 0]);
    const told = json(ran);
    expect([task, told.pieces, told.width, told.height, told.nfe]).toEqual([task, 2, 176, 64, 4]);
    expect(Math.abs(told.psnr - json(whole).psnr)).toBeLessThan(1);
    expect(told.residual / told.noise).toBeLessThan(2);
    const { alpha: back } = await readPicture(at(`${task}.png`));
    expect(Math.max(...alpha.map((v, i) => Math.abs(v - back![i]!)))).toBeLessThan(0.003);
  }
  const small = await proxel("restore", at("in.png"), "--task", "denoise", "-o", at("x.png"), "--piece", "100");
  expect([small.code, small.stderr.split("\n").at(-2)]).toEqual([2, expect.stringContaining("at least 144")]);
});

test("grey noise is one number a pixel, and is believed as such", async () => {
  const dir = folder();
  const at = (name: string) => join(dir, name);
  const truth = toGrey(crop(scene({ width: 128, height: 128 }), { x: 20, y: 20, width: 80, height: 80 }));
  await writePicture(at("grey.png"), truth);
  const made = await proxel("degrade", at("grey.png"), "--task", "denoise", "-o", at("y.png"));
  expect(made.code, made.stderr).toBe(0);
  const { data, shape } = parseNpy(new Uint8Array(readFileSync(at("y.npy"))));
  expect(shape).toEqual([80, 80]);
  const noise = Array.from(data as Float32Array, (v, i) => v - (truth.data[i]! + 1) / 2);
  expect(Math.sqrt(noise.reduce((sum, v) => sum + v * v, 0) / noise.length)).toBeCloseTo(0.1, 2);
  const ran = await proxel("restore", at("grey.png"), "--task", "denoise", "--simulate", "-o", at("x.png"), "--json");
  expect(json(ran).psnrMeasurement).toBeLessThan(21);
  expect(json(ran).psnr).toBeGreaterThan(json(ran).psnrMeasurement + 4);
  expect(json(ran).noise).toBe(0.1);
  // whole numbers are bytes
  const bytes = (data as Float32Array).map((v) => Math.max(0, Math.min(255, Math.round(255 * v))));
  writeFileSync(at("u8.npy"), formatNpy({ dtype: "u8", shape: [80, 80], data: Uint8Array.from(bytes) }));
  const again = await proxel("restore", at("u8.npy"), "--task", "denoise", "-o", at("u8.png"), "--json");
  expect(again.code, again.stderr).toBe(0);
  expect(json(again).noise).toBeGreaterThan(0.08);
  expect(json(again).noise).toBeLessThan(0.12);
});
