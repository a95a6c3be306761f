import { existsSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { formatNpy, parseNpy } from "../../src/io/npy.ts";
import { readPicture, writePicture } from "../../src/io/picture.ts";
import { birdcage } from "../../src/physics/coils.ts";
import { mri } from "../../src/physics/mri.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { relativeL2 } from "../lib/close.ts";
import { folder, json, proxel } from "../lib/command.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";

withGpu();

const [H, W, coils] = [40, 36, 6];
/** Two discs and a bar, of varying phase. */
const object = Float32Array.from({ length: 2 * H * W }, (_, k) => {
  const [i, j] = [Math.floor(k / 2 / W), Math.floor(k / 2) % W];
  const inside = (y: number, x: number, r: number) => (i - y) ** 2 + (j - x) ** 2 < r * r;
  const size = inside(20, 18, 15) ? (inside(15, 14, 4) ? 0.3 : i > 24 && i < 28 ? 1.2 : 0.8) : 0;
  return size * (k % 2 ? Math.sin(i / 15) : Math.cos(i / 15));
});

const firstAxis = (data: ArrayLike<number>, C: number) =>
  Float32Array.from({ length: data.length }, (_, k) => {
    const [c, i, part] = [Math.floor(k / (2 * H * W)), Math.floor(k / 2) % (H * W), k % 2];
    return data[2 * (i * C + c) + part] as number;
  });
const put = (path: string, shape: number[], data: Float32Array) => {
  writeFileSync(path, formatNpy({ dtype: "c64", shape, data }));
  return path;
};
const get = async (path: string) => parseNpy(new Uint8Array(await readFile(path)), path);

/** Files of k-space and maps, coils first. */
async function simulated(dir: string) {
  const { y, maps } = await evaluate(() => {
    const maps = birdcage([H, W], coils);
    return { y: mri([H, W, 1], { maps }).apply(tensor([1, H, W, 1], object, "c64")), maps };
  });
  return {
    kspace: put(join(dir, "k.npy"), [coils, H, W], firstAxis(y, coils)),
    maps: put(join(dir, "maps.npy"), [coils, H, W], firstAxis(maps, coils)),
  };
}

test("k-space in, a picture and complex numbers out: each way without a prior, and what it says", async () => {
  const dir = folder();
  const { kspace, maps } = await simulated(dir);
  const out = join(dir, "x.png");
  const went = async (...args: string[]) => {
    const ran = await proxel("reconstruct", kspace, ...args, "-o", out, "--json", "-f");
    expect(ran.code, ran.stderr).toBe(0);
    return { told: json(ran), x: await get(join(dir, "x.npy")) };
  };
  // all of k-space, in the units it came in
  const whole = await went("--maps", maps, "--solver", "zero-filled");
  expect([whole.x.dtype, whole.x.shape]).toEqual(["c64", [H, W]]);
  expect(relativeL2(whole.x.data as Float32Array, object)).toBeLessThan(1e-5);
  expect(whole.told.nrmse).toBeUndefined();
  expect(whole.told.acceleration).toBe(1);

  const errors: Record<string, number> = {};
  for (const solver of ["zero-filled", "cg-sense"]) {
    const { told, x } = await went("--maps", maps, "--mask", "equispaced:3", "--solver", solver, "--iterations", "30");
    expect(told).toMatchObject({ solver, coils, width: W, height: H, nfe: 0 });
    errors[solver] = told.nrmseComplex;
    expect(told.nrmseComplex).toBeCloseTo(relativeL2(x.data as Float32Array, object), 3);
  }
  expect(errors["cg-sense"]).toBeLessThan(0.06);
  expect(errors["zero-filled"]).toBeGreaterThan(0.2);

  const estimated = await went("--mask", "equispaced:2", "--centre", "0.4");
  expect(estimated.told.nrmse).toBeLessThan(0.08);
  const ring = await went("--maps", "birdcage", "--mask", "poisson:2");
  expect(ring.told.nrmse).toBeLessThan(0.1);
  const root = await went("--solver", "rss");
  expect([root.x.dtype, root.told.solver]).toEqual(["f32", "rss"]);

  // the picture: white where the brightest half per cent begins
  const picture = await readPicture(out);
  expect([picture.width, picture.height, picture.channels]).toEqual([W, H, 1]);
  const at = 20 * W + 18;
  const want = (2 * (root.x.data[at] as number)) / root.told.white - 1;
  expect(Math.abs((picture.data[at] as number) - want)).toBeLessThan(1 / 127);
}, 120_000);

test("masks from files: a picture, columns, and what is 0 already", async () => {
  const dir = folder();
  const { kspace, maps } = await simulated(dir);
  const columns = Float32Array.from({ length: W }, (_, j) => (j % 2 === 0 || Math.abs(j - W / 2) < 4 ? 1 : 0));
  const row = join(dir, "row.npy");
  writeFileSync(row, formatNpy({ dtype: "f32", shape: [W], data: columns }));
  const plane = join(dir, "plane.png");
  const data = Float32Array.from({ length: H * W }, (_, i) => 2 * (columns[i % W] as number) - 1);
  await writePicture(plane, { width: W, height: H, channels: 1, bits: 8, data });
  const k = await get(kspace);
  const zeroed = put(
    join(dir, "zeroed.npy"),
    [coils, H, W],
    (k.data as Float32Array).map((v, i) => v * (columns[Math.floor(i / 2) % W] as number)),
  );
  const results: Float32Array[] = [];
  for (const args of [[kspace, "--mask", row], [kspace, "--mask", plane], [zeroed]]) {
    const out = join(dir, `${results.length}.png`);
    const ran = await proxel("reconstruct", ...args, "--maps", maps, "-o", out, "--json");
    expect(ran.code, ran.stderr).toBe(0);
    expect(json(ran).acceleration).toBeCloseTo(W / columns.reduce((a, b) => a + b, 0), 2);
    results.push((await get(join(dir, `${results.length}.npy`))).data as Float32Array);
  }
  expect(results[1]).toEqual(results[0]);
  expect(results[2]).toEqual(results[0]);
}, 120_000);

test("bad input is one line and exit code 2", async () => {
  const dir = folder();
  const { kspace, maps } = await simulated(dir);
  const real = join(dir, "real.npy");
  writeFileSync(real, formatNpy({ dtype: "f32", shape: [4, 4], data: new Float32Array(16) }));
  const small = put(join(dir, "small.npy"), [2, 4, 4], new Float32Array(64).fill(1));
  const zeros = put(join(dir, "zeros.npy"), [2, 4, 4], new Float32Array(64));
  const out = join(dir, "x.png");
  const cases: [string[], RegExp][] = [
    [[], /one k-space expected, got 0/],
    [[kspace], /say where the picture goes/],
    [[real, "-o", out], /expected complex64 \[coils, H, W\] or \[H, W\], got f32/],
    [[kspace, "-o", out, "--solver", "cg-sens"], /did you mean cg-sense\?/],
    [[kspace, "-o", out, "--mask", "gausian1d:4"], /did you mean gaussian1d\?/],
    [[kspace, "-o", out, "--mask", "uniform1d:0.5"], /the acceleration must be 1 or more/],
    [[kspace, "-o", out, "--mask", real], /k-space is \[40, 36\], the mask \[4, 4\]/],
    [[kspace, "-o", out, "--maps", small], /k-space is \[6, 40, 36\], the maps \[2, 4, 4\]/],
    [[kspace, "-o", out, "--maps", "espirt"], /did you mean espirit\?/],
    [[kspace, "-o", join(dir, "x.txt")], /expected an output name ending in/],
    [[zeros, "-o", out], /expected numbers, got zeros only/],
    [[join(dir, "none.npy"), "-o", out], /no such file/],
  ];
  for (const [args, says] of cases) {
    const ran = await proxel("reconstruct", ...args);
    expect([ran.code, ran.stderr.trim().split("\n").length], ran.stderr).toEqual([2, 1]);
    expect(ran.stderr).toMatch(says);
  }
  expect(existsSync(out)).toBe(false);
  writeFileSync(out, "there");
  expect((await proxel("reconstruct", kspace, "--maps", maps, "-o", out)).stderr).toMatch(
    /exists already; give --force/,
  );
  expect((await proxel("reconstruct", "--help")).stdout).toMatch(/^proxel reconstruct: /);
}, 120_000);
