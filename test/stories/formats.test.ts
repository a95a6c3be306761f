// What goes in and comes out: formats, depth, orientation, alpha; and what the options do with files.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import sharp from "sharp";
import { expect, test } from "vitest";
import { formatNpy, parseNpy } from "../../src/io/npy.ts";
import { crop, readPicture, writePicture } from "../../src/io/picture.ts";
import { scene } from "../../src/io/scene.ts";
import { folder, json, proxel, start } from "../lib/command.ts";

const truth = crop(scene({ width: 96, height: 96 }), { x: 24, y: 8, width: 48, height: 40 });

test("JPEG, WebP and PNG in and out, upright; several of them into a folder", async () => {
  const dir = folder();
  const at = (name: string) => join(dir, name);
  await writePicture(at("in.png"), truth);
  // lying on its side, as a phone writes it: 6 means turn by 90 degrees clockwise to see it
  const lying = await sharp(readFileSync(at("in.png")))
    .rotate(270)
    .withMetadata({ orientation: 6 })
    .jpeg()
    .toBuffer();
  writeFileSync(at("phone.jpg"), lying);
  writeFileSync(
    at("b.webp"),
    await sharp(readFileSync(at("in.png")))
      .webp()
      .toBuffer(),
  );
  const ran = await proxel("restore", at("phone.jpg"), at("b.webp"), "-t", "denoise", "-o", at("all"), "--json");
  expect(ran.code, ran.stderr).toBe(0);
  const told = json(ran);
  expect(told.images.map((i: { width: number; height: number }) => [i.width, i.height])).toEqual([
    [48, 40],
    [48, 40],
  ]);
  for (const name of ["output", "noise", "residual", "seconds", "nfe", "nbe"])
    expect(told[name]).toBe(told.images[0][name]);
  expect((await sharp(at("all/phone.png")).metadata()).orientation).toBeUndefined();
  for (const [file, format] of [
    ["o.jpg", "jpeg"],
    ["o.webp", "webp"],
  ] as const) {
    const one = await proxel("restore", at("phone.jpg"), "-t", "denoise", "--noise", "0.02", "-o", at(file));
    expect(one.code, one.stderr).toBe(0);
    expect((await sharp(at(file)).metadata()).format).toBe(format);
    const p = await readPicture(at(file));
    expect([p.width, p.height]).toEqual([48, 40]);
    let sum = 0;
    p.data.forEach((v, i) => (sum += (v - truth.data[i]!) ** 2));
    expect(Math.sqrt(sum / p.data.length)).toBeLessThan(0.25);
  }
  const many = await proxel("restore", at("phone.jpg"), at("b.webp"), "-t", "denoise", "-o", at("one.png"));
  expect([many.code, many.stderr]).toEqual([2, expect.stringContaining("one file for 2 pictures; give a folder")]);
});

test("alpha is enlarged with a measurement of half the size", async () => {
  const dir = folder();
  const alpha = new Float32Array(48 * 40).map((_, i) => (i % 48) / 47);
  await writePicture(join(dir, "small.png"), { ...truth, alpha, bits: 16 });
  const out = join(dir, "large.png");
  const ran = await proxel(
    ...["restore", join(dir, "small.png"), "-t", "sr", "--scale", "2", "--steps", "3", "-o", out, "--json"],
  );
  expect(ran.code, ran.stderr).toBe(0);
  const p = await readPicture(out);
  expect([p.width, p.height, p.bits]).toEqual([96, 80, 16]);
  const row = p.alpha!.subarray(0, 96);
  expect(
    Math.max(...row.map((v, x) => Math.abs(v - Math.max(0, Math.min(1, ((x + 0.5) / 2 - 0.5) / 47))))),
  ).toBeLessThan(0.003);
});

test("a shake of the hand is drawn from the seed, and undone by the same one", async () => {
  const dir = folder();
  const at = (name: string) => join(dir, name);
  await writePicture(at("in.png"), scene({ width: 64, height: 64 }));
  const run = (...more: string[]) => proxel("restore", at("in.png"), "-t", "deblur", "-f", "-o", at("x.png"), ...more);
  const once = async (seed: string) =>
    json(await run("--simulate", "--motion", "15", "--seed", seed, "--steps", "8", "--json"));
  const [a, b] = [await once("3"), await once("4")];
  expect(a.psnrMeasurement).not.toBe(b.psnrMeasurement);
  for (const { psnr, psnrMeasurement, psnrLuma } of [a, b]) {
    expect(psnr).toBeGreaterThan(psnrMeasurement);
    expect(Math.abs(psnrLuma - psnr)).toBeLessThan(3);
  }
  const two = await run("--motion", "15", "--blur", "2");
  expect([two.code, two.stderr]).toEqual([2, expect.stringContaining("--blur and --motion are different kernels")]);
});

test("a psf is made to sum to 1, a mask is cut with its picture, and noise is measured on all channels", async () => {
  const dir = folder();
  const at = (name: string) => join(dir, name);
  await writePicture(at("in.png"), truth);
  const kernel = (weight: number) => formatNpy({ dtype: "f32", shape: [3, 3], data: new Float32Array(9).fill(weight) });
  const measured = [];
  for (const weight of [1 / 9, 1]) {
    writeFileSync(at("psf.npy"), kernel(weight));
    const args = ["degrade", at("in.png"), "-t", "deblur", "--psf", at("psf.npy"), "-o", at("y.png"), "-f"];
    const made = await proxel(...args);
    expect(made.code, made.stderr).toBe(0);
    measured.push(parseNpy(new Uint8Array(readFileSync(at("y.npy")))).data as Float32Array);
  }
  const [a, b] = measured as [Float32Array, Float32Array];
  expect(Math.max(...a.map((v, i) => Math.abs(v - b[i]!)))).toBeLessThan(1e-5);
  writeFileSync(at("psf.npy"), kernel(0));
  const black = await proxel("restore", at("in.png"), "-t", "deblur", "--psf", at("psf.npy"), "-o", at("x.png"));
  expect([black.code, black.stderr]).toEqual([2, expect.stringContaining("whose sum is not 0")]);

  const made = await proxel("degrade", at("in.png"), "-t", "inpaint", "-o", at("hole.png"), "--noise", "0.1");
  expect(made.code, made.stderr).toBe(0);
  const ran = await proxel(
    ...["restore", at("hole.npy"), "-t", "inpaint", "--mask", at("hole.mask.png"), "--size", "32", "--steps", "3"],
    ...["-o", at("x.png"), "--json"],
  );
  expect(ran.code, ran.stderr).toBe(0);
  expect(ran.stderr).toContain("noise estimated");
  expect(json(ran).noise / 0.1).toBeGreaterThan(0.75);
  expect(json(ran).noise / 0.1).toBeLessThan(1.3);
});

test("what cannot be written is refused before the work", async () => {
  const dir = folder();
  const input = join(dir, "in.png");
  await writePicture(input, truth);
  for (const [out, why] of [
    [join(dir, "none/x.png"), "does not exist; create it first"],
    [join(dir, "x.gif"), "expected an output name ending in"],
  ] as const)
    for (const command of ["restore", "degrade"]) {
      const { code, stderr } = await proxel(command, input, "-t", "denoise", "-o", out);
      expect([code, stderr.trim().split("\n").length, stderr]).toEqual([2, 1, expect.stringContaining(why)]);
    }
});

test("Ctrl-C counts from the first moment", async () => {
  const dir = folder();
  const input = join(dir, "in.png");
  await writePicture(input, scene({ width: 640, height: 640 }));
  // while it opens, while it compiles, while the network runs its one call
  for (const after of [600, 1500, 4000]) {
    const child = start(["restore", input, "-t", "denoise", "--simulate", "-o", join(dir, "x.png")]);
    // before the command has begun to listen, the signal itself ends it: a shell says 130 then too
    const code = new Promise((done) =>
      child.on("close", (exit, signal) => done(exit ?? (signal === "SIGINT" ? 130 : signal))),
    );
    await sleep(after);
    child.kill("SIGINT");
    const began = Date.now();
    expect([after, await code]).toEqual([after, 130]);
    expect(Date.now() - began).toBeLessThan(10_000);
    expect(readdirSync(dir)).toEqual(["in.png"]);
  }
});
