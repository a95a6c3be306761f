import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { mul, sub } from "../../kernels/broadcast.ts";
import { conjMul } from "../../kernels/complex.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { rng } from "../../kernels/random.ts";
import { sum, sumSquares } from "../../kernels/reduce.ts";
import { asComplex, reshape } from "../../kernels/reshape.ts";
import { parseNpy } from "../../src/io/npy.ts";
import { hermitianEigen } from "../../src/linalg/hermitian_eigen.ts";
import { birdcage } from "../../src/physics/coils.ts";
import { espirit, espiritMaps } from "../../src/physics/espirit.ts";
import { coilImages, mri } from "../../src/physics/mri.ts";
import { mriMask } from "../../src/physics/mri_masks.ts";
import { dispose, scope } from "../../src/tensor/scope.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { shared } from "../lib/golden.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { normals } from "../lib/random.ts";

withGpu();

test.each([1, 2, 7, 40])("eigenvectors of a Hermitian matrix of side %i", (n) => {
  const r = normals(2 * n * n, 3);
  const A = new Float64Array(2 * n * n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) {
      A[2 * (i * n + j)] = (r[2 * (i * n + j)] as number) + (r[2 * (j * n + i)] as number);
      A[2 * (i * n + j) + 1] = (r[2 * (i * n + j) + 1] as number) - (r[2 * (j * n + i) + 1] as number);
    }
  const { values, vectors } = hermitianEigen(A, n);
  let worst = 0;
  for (let k = 0; k < n; k++) {
    if (k) expect(values[k - 1]).toBeGreaterThanOrEqual(values[k] as number);
    for (let i = 0; i < n; i++) {
      let [re, im] = [0, 0];
      for (let j = 0; j < n; j++) {
        const [a, b] = [A[2 * (i * n + j)] as number, A[2 * (i * n + j) + 1] as number];
        const [p, q] = [vectors[2 * (k * n + j)] as number, vectors[2 * (k * n + j) + 1] as number];
        re += a * p - b * q;
        im += a * q + b * p;
      }
      const w = values[k] as number;
      worst = Math.max(
        worst,
        Math.hypot(re - w * (vectors[2 * (k * n + i)] as number), im - w * (vectors[2 * (k * n + i) + 1] as number)),
      );
    }
    for (let l = 0; l <= k; l++) {
      let [re, im] = [0, 0];
      for (let j = 0; j < 2 * n; j += 2) {
        const [a, b] = [vectors[2 * k * n + j] as number, vectors[2 * k * n + j + 1] as number];
        const [p, q] = [vectors[2 * l * n + j] as number, vectors[2 * l * n + j + 1] as number];
        re += a * p + b * q;
        im += a * q - b * p;
      }
      worst = Math.max(worst, Math.hypot(re - (k === l ? 1 : 0), im));
    }
  }
  expect(worst).toBeLessThan(1e-12 * Math.max(1, n));
});

const [H, W, coils] = [56, 48, 6];
/** Three ellipses with a phase of their own, on nothing. */
const object = () => {
  const data = new Float32Array(2 * H * W);
  for (let i = 0; i < H; i++)
    for (let j = 0; j < W; j++) {
      const at = (y: number, x: number, a: number, b: number) => ((i - y) / a) ** 2 + ((j - x) / b) ** 2 < 1;
      const size = at(28, 24, 22, 18) ? 1 - (at(22, 20, 6, 5) ? 0.6 : 0) + (at(36, 28, 8, 6) ? 0.5 : 0) : 0;
      data[2 * (i * W + j)] = size * Math.cos(i / 20 - j / 30);
      data[2 * (i * W + j) + 1] = size * Math.sin(i / 20 - j / 30);
    }
  return tensor([1, H, W, 1], data, "c64");
};

/** 1 - |<S, S'>| where both see, for unit vectors S and S' over the coils: 0 when they agree up to a phase. */
function apart(a: ArrayLike<number>, b: ArrayLike<number>, C: number, keep: (i: number) => boolean = () => true) {
  const n = a.length / (2 * C);
  let [worst, seen, same] = [0, 0, 0];
  for (let i = 0; i < n; i++) {
    let [p, q, re, im] = [0, 0, 0, 0];
    for (let k = 2 * i * C; k < 2 * (i + 1) * C; k += 2) {
      const [ar, ai, br, bi] = [a[k], a[k + 1], b[k], b[k + 1]] as [number, number, number, number];
      p += ar * ar + ai * ai;
      q += br * br + bi * bi;
      re += ar * br + ai * bi;
      im += ar * bi - ai * br;
    }
    if (p > 0.5 === q > 0.5) same++;
    if (!(p > 0.5 && q > 0.5 && keep(i))) continue;
    seen++;
    worst = Math.max(worst, 1 - Math.hypot(re, im) / Math.sqrt(p * q));
  }
  return { worst, seen, same: same / n };
}

test.each([
  ["all of k-space", 0, "equispaced", 1, 1e-3],
  ["every fourth column and a centre of 20 %", 0, "equispaced", 4, 5e-3],
  ["noise of 1 %", 0.01, "equispaced", 1, 3e-3],
] as const)("simulated birdcage coils come back up to phase: %s", async (_, noise, kind, acceleration, limit) => {
  const { k, truth, x } = await evaluate(() => {
    const maps = birdcage([H, W], coils);
    const x = object();
    const mask = mriMask(kind, [H, W], rng(0), { acceleration, centre: 0.2 });
    const A = mri([H, W, 1], { maps, mask });
    const n = asComplex(rng(1).normal([1, H, W, coils, 2]));
    return { k: mul(lincomb(1, A.apply(x), noise, n), reshape(mask, [1, H, W, 1])), truth: maps, x };
  });
  const began = performance.now();
  const maps = espiritMaps(k, [H, W, coils]);
  const seconds = (performance.now() - began) / 1000;
  const inside = (i: number) => Math.hypot(x[2 * i] as number, x[2 * i + 1] as number) > 0;
  const { worst, seen } = apart(maps, truth, coils, inside);
  const object_ = Array.from({ length: H * W }, (_v, i) => i).filter(inside).length;
  console.log(
    `${_}: 1 - |<S, S'>| at most ${worst.toExponential(1)}, ${seen} of ${object_} pixels, ${seconds.toFixed(1)} s`,
  );
  expect(worst).toBeLessThan(limit);
  expect(seen / object_).toBeGreaterThan(0.97);
  // unit vectors or nothing
  for (let i = 0; i < H * W; i++) {
    const power = maps.subarray(2 * i * coils, 2 * (i + 1) * coils).reduce((s, v) => s + v * v, 0);
    expect(Math.abs(power - Math.round(power))).toBeLessThan(1e-5);
  }
});

test("what is not enough is said", async () => {
  const few = new Float32Array(2 * 16 * 16 * 2);
  for (let i = 7; i < 10; i++) for (let j = 7; j < 10; j++) few.fill(1, 4 * (16 * i + j), 4 * (16 * i + j) + 4);
  expect(() => espiritMaps(few, [16, 16, 2])).toThrow(
    /^espirit: only 3x3 samples in the middle of k-space are all measured, patches of 3x3 need 4x4; give maps/,
  );
  const flat = scope(() => tensor([8, 8, 2], new Float32Array(128)));
  await expect(espirit(flat)).rejects.toThrow(/^espirit: expected k-space c64/);
  dispose(flat);
});

const files = ["brain8_full96", "brain8_full"].map((name) => ({
  name,
  k: shared(`data/mri/${name}_ksp.npy`),
  s: shared(`data/mri/${name}_sens.npy`),
}));
const here = files.every(({ k, s }) => k && s);
if (!here) console.log("skipped: no data/mri/brain8_full*.npy; set PROXEL_SHARED to a folder that has them");

/** [coils, H, W] of a file as [H, W, coils]. */
function coilsLast(path: string) {
  const { shape, data } = parseNpy(new Uint8Array(readFileSync(path)), path);
  const [C, h, w] = shape as [number, number, number];
  const out = new Float32Array(data.length);
  for (let c = 0; c < C; c++)
    for (let i = 0; i < h * w; i++)
      for (let k = 0; k < 2; k++) out[2 * (i * C + c) + k] = Number(data[2 * (c * h * w + i) + k]);
  return { shape: [h, w, C] as const, data: out };
}

test.skipIf(!here).each(files)("$name: the maps of another program, and coil images within their span", async (of) => {
  const [k, known] = [coilsLast(of.k as string), coilsLast(of.s as string)];
  const kspace = scope(() => tensor(k.shape, k.data, "c64"));
  const began = performance.now();
  const maps = await espirit(kspace);
  const seconds = (performance.now() - began) / 1000;
  const [h, w, C] = k.shape;
  const { S, left, all } = await evaluate(() => {
    const y = reshape(kspace, [1, h, w, C]);
    // coil images less what one picture through the maps explains: I - S S^H
    const images = coilImages(y);
    const seen = mul(maps, sum(conjMul(maps, images), { axes: [3], keep: true }));
    return { S: maps, left: sumSquares(sub(images, seen)), all: sumSquares(images) };
  });
  dispose([maps, kspace]);
  const residual = Math.sqrt((left[0] as number) / (all[0] as number));
  const { worst, seen, same } = apart(S, known.data, C);
  console.log(
    `${of.name}: ${seconds.toFixed(1)} s, ${seen} pixels, supports agree at ${(100 * same).toFixed(2)} %, ` +
      `1 - |<S, S'>| at most ${worst.toExponential(1)}, residual ${residual.toFixed(4)}`,
  );
  expect(worst).toBeLessThan(2e-3);
  expect(same).toBeGreaterThan(0.99);
  expect(residual).toBeLessThan(0.12);
});
