import { describe, expect, test } from "vitest";
import { affine, square } from "../../kernels/elementwise.ts";
import { dft2 } from "../../kernels/fft_host.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { rng } from "../../kernels/random.ts";
import { vjp } from "../../src/autograd/vjp.ts";
import type { Operator } from "../../src/linalg/operator.ts";
import { hdr } from "../../src/physics/hdr.ts";
import { jpeg, jpegTables } from "../../src/physics/jpeg.ts";
import { blurLatent, nonlinearBlur } from "../../src/physics/nonlinear_blur.ts";
import { codedDiffraction, phaseRetrieval } from "../../src/physics/phase.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals, uniforms } from "../lib/random.ts";

withGpu();

/** A x and the gradient of <r, A x>, of a batch; and A x from halves. */
const run = (make: () => Operator, N: number, x: ArrayLike<number>, r: ArrayLike<number>) =>
  evaluate(() => {
    const A = make();
    const { value, pullback } = vjp(A.apply, tensor([N, ...A.domain], x));
    return {
      y: value,
      dx: pullback(tensor([N, ...A.range], r))[0],
      half: A.apply(tensor([N, ...A.domain], x, "f16")),
    };
  });

describe("jpeg", () => {
  test("tables", () => {
    const { luminance, chrominance } = jpegTables(10);
    expect(luminance.slice(0, 8)).toEqual([80, 55, 50, 80, 120, 200, 255, 255]);
    expect(chrominance.slice(0, 5)).toEqual([85, 90, 120, 235, 255]);
    expect(jpegTables(50).luminance.slice(-4)).toEqual([112, 100, 103, 99]);
    expect(new Set(jpegTables(100).chrominance)).toEqual(new Set([1]));
    expect(() => jpegTables(0)).toThrow("jpeg: expected a quality from 1 to 100, got 0");
  });

  const round = (x: number) => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x));
  /** One picture [H, W, 3], pixel by pixel from the standard. */
  function reference(x: Float64Array, H: number, W: number, quality: number): Float64Array {
    const tables = jpegTables(quality);
    const [h, w] = [16 * Math.ceil(H / 16), 16 * Math.ceil(W / 16)];
    const v = (i: number, j: number, c: number) =>
      ((x[(Math.min(i, H - 1) * W + Math.min(j, W - 1)) * 3 + c] as number) + 1) * 127.5;
    const rows = [
      [0.299, 0.587, 0.114],
      [-0.1687, -0.3313, 0.5],
      [0.5, -0.4187, -0.0813],
    ];
    const planes = rows.map(([a, b, c], k) => {
      const [s, ph, pw] = k ? [2, h / 2, w / 2] : [1, h, w];
      const Q = k ? tables.chrominance : tables.luminance;
      const plane = Array.from({ length: ph }, (_, i) =>
        Array.from({ length: pw }, (_, j) => {
          const [y, z] = [i * s, j * s];
          return a! * v(y, z, 0) + b! * v(y, z, 1) + c! * v(y, z, 2) + (k ? 128 : 0) - 128;
        }),
      );
      const cos = (u: number, i: number) => Math.sqrt(u ? 0.25 : 0.125) * Math.cos(((2 * i + 1) * u * Math.PI) / 16);
      const out = plane.map((row) => row.slice().fill(0));
      for (let bi = 0; bi < ph; bi += 8)
        for (let bj = 0; bj < pw; bj += 8)
          for (let k2 = 0; k2 < 64; k2++) {
            const [p, q] = [k2 >> 3, k2 & 7];
            let s2 = 0;
            for (let i = 0; i < 8; i++)
              for (let j = 0; j < 8; j++) s2 += plane[bi + i]![bj + j]! * cos(p, i) * cos(q, j);
            const value = round(s2 / Q[k2]!) * Q[k2]!;
            for (let i = 0; i < 8; i++)
              for (let j = 0; j < 8; j++) out[bi + i]![bj + j]! += value * cos(p, i) * cos(q, j);
          }
      return (i: number, j: number) => out[Math.floor(i / s)]![Math.floor(j / s)]!;
    });
    const back = [
      [1, 0, 1.402],
      [1, -0.3441, -0.7141],
      [1, 1.772, 0],
    ];
    return Float64Array.from({ length: H * W * 3 }, (_, n) => {
      const [i, j] = [Math.floor(n / 3 / W), Math.floor(n / 3) % W];
      const [Y, Cb, Cr] = planes.map((p) => p(i, j)) as [number, number, number];
      const [a, b, c] = back[n % 3] as [number, number, number];
      return (a * (Y + 128) + b * Cb + c * Cr) / 127.5 - 1;
    });
  }
  const smooth = (H: number, W: number, seed: number) => {
    const noise = asF32(uniforms(H * W * 3, seed));
    return noise.map((v, n) => Math.fround(0.2 * v + 0.6 * Math.sin(n / 3 / 7) * Math.cos(n / 3 / W / 5)));
  };

  test.each([
    [32, 16, 10],
    [21, 35, 10],
    [17, 5, 75],
  ])("%i x %i at quality %i: as the standard says, batch 3", async (H, W, quality) => {
    const each = [1, 2, 3].map((seed) => smooth(H, W, seed));
    const x = Float64Array.from(each.flatMap((v) => [...v]));
    const { y, half } = await run(() => jpeg([H, W, 3], { quality }), 3, x, x);
    const want = Float64Array.from(each.flatMap((v) => [...reference(v, H, W, quality)]));
    // a number on the edge between two steps may fall on either side
    expectClose(y, want, { l2: quality > 50 ? 1e-3 : 1e-5 });
    expect(half.length).toBe(y.length);
  });

  test("twice is once, and the gradient goes straight through to what the transform keeps", async () => {
    const x = smooth(32, 48, 4);
    const { y, again, dx, grey } = await evaluate(() => {
      const A = jpeg([32, 48, 3], { quality: 20 });
      const X = tensor([1, 32, 48, 3], x);
      const { value, pullback } = vjp(A.apply, X);
      const luma = jpeg([9, 12, 1]).apply(tensor([1, 9, 12, 1], x.slice(0, 108)));
      // grey tells luma alone, which the transform keeps whole
      const r = tensor([1, 32, 48, 3], new Float32Array(32 * 48 * 3).fill(1));
      return { y: value, again: A.apply(value), dx: pullback(r)[0], grey: luma };
    });
    expectClose(again, y, { l2: 1e-5 });
    const sum = [0, 1, 2].map((c) => dx.filter((_, i) => i % 3 === c).reduce((a, b) => a + b, 0));
    // chroma of a constant cotangent: sums of the columns of backward, forwards again
    expect(sum.reduce((a, b) => a + b, 0)).toBeCloseTo(32 * 48 * 3, 0);
    expect(grey.every(Number.isFinite)).toBe(true);
    expect(() => jpeg([8, 8, 2])).toThrow("jpeg: a picture of 3 channels or 1 expected, got [8, 8, 2]");
  });
});

describe("phase retrieval", () => {
  /** |F pad(x)| of one channel by the host's transform, frequency 0 in the middle. */
  function modulus(x: Float64Array, [H, W]: [number, number], [p, q]: [number, number]) {
    const [h, w] = [H + 2 * p, W + 2 * q];
    const grid = new Float64Array(2 * h * w);
    for (let i = 0; i < H; i++) for (let j = 0; j < W; j++) grid[2 * ((i + p) * w + j + q)] = x[i * W + j] as number;
    const z = dft2(grid, h, w);
    return Float64Array.from({ length: h * w }, (_, k) => {
      const [i, j] = [(Math.floor(k / w) + h - (h >> 1)) % h, ((k % w) + w - (w >> 1)) % w];
      return Math.hypot(z[2 * (i * w + j)] as number, z[2 * (i * w + j) + 1] as number) / Math.sqrt(h * w);
    });
  }
  test.each([
    [16, 16, 2, "signed"],
    [9, 13, 4, "unit"],
  ] as const)("%i x %i, oversampled %i, %s: float64 and finite differences", async (H, W, oversample, light) => {
    const [p, q] = [Math.floor((oversample * H) / 8), Math.floor((oversample * W) / 8)];
    const x = asF32(uniforms(3 * H * W, 1));
    const of = (x: Float64Array) =>
      Float64Array.from(
        [0, 1, 2].flatMap((n) => {
          const one = x.slice(n * H * W, (n + 1) * H * W).map((v) => (light === "unit" ? (v + 1) / 2 : v));
          return [...modulus(one, [H, W], [p, q])];
        }),
      );
    const want = of(x);
    const r = asF32(normals(want.length, 2));
    const { y, dx, half } = await run(() => phaseRetrieval([H, W, 1], { oversample, light }), 3, x, r);
    expectClose(y, want, { l2: 1e-6 });
    expectClose(half, want, { l2: 2e-3 });
    const [e, d] = [1e-5, normals(x.length, 3)];
    const plus = of(x.map((v, i) => v + e * (d[i] as number)));
    const minus = of(x.map((v, i) => v - e * (d[i] as number)));
    const numeric = plus.reduce((s, v, i) => s + ((v - (minus[i] as number)) / (2 * e)) * (r[i] as number), 0);
    const analytic = dx.reduce((s, v, i) => s + v * (d[i] as number), 0);
    expect(Math.abs(analytic - numeric) / Math.abs(numeric)).toBeLessThan(1e-4);
  });
  test("where nothing arrives the gradient is 0, not a NaN", async () => {
    const { dx } = await run(() => phaseRetrieval([4, 6, 3]), 1, new Float64Array(72), new Float64Array(144).fill(1));
    expect([...dx]).toEqual(new Array(72).fill(0));
  });
});

test("coded diffraction: the energy of |x|, colours apart, batch 3, by its own seed", async () => {
  const shape = [6, 5, 3];
  const x = asF32(uniforms(3 * 90, 4));
  const make = () => codedDiffraction(shape, rng(23), { patterns: 2 });
  const r = asF32(normals(3 * 180, 5));
  const { y, dx } = await run(make, 3, x, r);
  const { y: again } = await run(make, 3, x, r);
  expect(again).toEqual(y);
  for (let n = 0; n < 3; n++)
    for (let k = 0; k < 2; k++) {
      const seen = y.slice(n * 180, (n + 1) * 180).filter((_, i) => Math.floor(i / 3) % 2 === k);
      const energy = x.slice(n * 90, (n + 1) * 90).reduce((s, v) => s + ((v + 1) / 2) ** 2, 0);
      // F is orthonormal and |m| = 1
      expect(Math.abs(seen.reduce((s, v) => s + v * v, 0) - energy) / energy).toBeLessThan(1e-5);
    }
  // |F(m t u)| = t |F(m u)|: the derivative along u = (x + 1)/2 is the measurement itself
  const along = dx.reduce((s, v, i) => s + v * 2 * (((x[i] as number) + 1) / 2), 0);
  const value = y.reduce((s, v, i) => s + v * (r[i] as number), 0);
  expect(Math.abs(along - value) / Math.abs(value)).toBeLessThan(1e-4);
});

describe("hdr", () => {
  const x = asF32(uniforms(3 * 5 * 7 * 3, 6));
  test("value, gradient", async () => {
    const r = asF32(normals(x.length, 7));
    const { y, dx, half } = await run(() => hdr([5, 7, 3]), 3, x, r);
    const want = x.map((v) => Math.max(-1, Math.min(1, 2 * v)));
    expectClose(y, want, { l2: 1e-7 });
    expectClose(half, want, { l2: 2e-3 });
    expectClose(
      dx,
      r.map((v, i) => (Math.abs(x[i] as number) < 0.5 ? 2 * v : 0)),
      { l2: 1e-7 },
    );
  });
  test.each([0, 1e-3, 0.5, 8, 1e6])("prox at rho = %f is the best of 20001 candidates", async (rho) => {
    const n = 300;
    const [v, y] = [asF32(normals(n, 8)), asF32(normals(n, 9))];
    const { got } = await evaluate(() => {
      const A = hdr([n / 3, 1, 3]);
      const t = (a: ArrayLike<number>): Tensor => tensor([1, n / 3, 1, 3], a);
      return { got: (A.prox as NonNullable<Operator["prox"]>)(t(v), t(y), rho) };
    });
    const cost = (x: number, i: number) =>
      (Math.max(-1, Math.min(1, 2 * x)) - (y[i] as number)) ** 2 + rho * (x - (v[i] as number)) ** 2;
    for (let i = 0; i < n; i++) {
      let best = Number.POSITIVE_INFINITY;
      for (let k = -10000; k <= 10000; k++) best = Math.min(best, cost(k / 2500, i));
      expect(cost(got[i] as number, i)).toBeLessThanOrEqual(best + 1e-6 * Math.max(1, best));
    }
  });
});

test("halves are widened, wrong shapes are named", async () => {
  await evaluate(() => {
    const A = hdr([2, 2, 1]);
    expect(() => A.apply(tensor([1, 2, 3, 1], new Float32Array(6)))).toThrow(
      "hdr: apply expects its domain as f32 [N, 2, 2, 1], got f32 [1, 2, 3, 1]",
    );
    expect(A.apply(tensor([1, 2, 2, 1], [1, 2, 3, 4], "f16")).dtype).toBe("f32");
    return lincomb(1, tensor([1], [1]));
  });
});

test("a network's blur: on [0, 1], clamped, sides made whole, k as large as they ask", async () => {
  const shape = [100, 140, 3];
  const x = asF32(uniforms(42000, 3)).map((v) => 1.5 * v);
  const r = asF32(normals(42000, 4));
  let seen: readonly number[] = [];
  const { y, dx, k } = await evaluate(() => {
    const latent = blurLatent(shape, rng(1), { channels: 4 });
    // in place of the network's: u^2, times 1.25
    const A = nonlinearBlur(
      shape,
      (u) => {
        seen = u.shape;
        return affine(square(u), 1.25, 0);
      },
      latent,
    );
    const { value, pullback } = vjp(A.apply, tensor([1, ...shape], x));
    return { y: value, dx: pullback(tensor([1, ...shape], r))[0], k: lincomb(1, latent) };
  });
  expect([seen, k.length]).toEqual([[1, 128, 256, 3], 8]);
  const inner = x.map((v) => 2 * 1.25 * ((v + 1) / 2) ** 2 - 1);
  expectClose(
    y,
    inner.map((v) => Math.max(-1, Math.min(1, v))),
    { l2: 1e-6 },
  );
  expectClose(
    dx,
    r.map((v, i) => (Math.abs(inner[i] as number) <= 1 ? v * 1.25 * ((x[i] as number) + 1) : 0)),
    { l2: 1e-6 },
  );
  await evaluate(() => {
    const k = tensor([1, 1, 1, 4], new Float32Array(4));
    expect(() => nonlinearBlur([129, 128, 3], (u) => u, k)).toThrow(
      "nonlinearBlur: a picture [129, 128, 3] takes a latent kernel [1, 2, 1, channels], got [1, 1, 1, 4]",
    );
    return [];
  });
});

test.each([
  ["jpeg in colour", () => jpeg([16, 16, 3]), 16 * 16 * 3, 0.99],
  ["jpeg in grey", () => jpeg([8, 8, 1]), 64, 0.99],
  ["hdr", () => hdr([4, 4, 3], { gain: 3 }), 48, 0.99],
  // near its bound only where the phases of x and of the change go together
  ["phase, signed", () => phaseRetrieval([6, 6, 1]), 64, 0.5],
  ["phase, unit", () => phaseRetrieval([6, 6, 1], { light: "unit" }), 64, 0.5],
] as const)("%s: the slope is that of the whole Jacobian", async (_, make, m, tight) => {
  const { jacobian, slope } = await evaluate(() => {
    const A = make();
    const n = A.domain.reduce((a, b) => a * b, 1);
    const x = normals(n).map((v) => 0.1 * v);
    // row i: the gradient of number i of the measurement, all of them in one batch
    const rows = Float32Array.from({ length: m * m }, (_, i) => (Math.floor(i / m) === i % m ? 1 : 0));
    const { pullback } = vjp(A.apply, tensor([m, ...A.domain], Array.from({ length: m }, () => [...x]).flat()));
    return { jacobian: pullback(tensor([m, ...A.range], rows))[0], slope: tensor([1], [A.slope as number]) };
  });
  const [J, n] = [jacobian as Float32Array, (jacobian as Float32Array).length / m];
  let v = Float64Array.from({ length: n }, (_, i) => Math.sin(i + 1));
  let norm = 0;
  for (let k = 0; k < 40; k++) {
    const back = new Float64Array(n);
    for (let i = 0; i < m; i++) {
      let a = 0;
      for (let j = 0; j < n; j++) a += (v[j] as number) * (J[i * n + j] as number);
      for (let j = 0; j < n; j++) back[j] = (back[j] as number) + a * (J[i * n + j] as number);
    }
    norm = Math.sqrt(Math.hypot(...back));
    v = back.map((a) => a / norm ** 2);
  }
  const bound = (slope as Float32Array)[0] as number;
  console.log(`slope ${bound}, of the Jacobian ${norm.toFixed(4)}`);
  expect(norm).toBeLessThan(bound * 1.0005);
  expect(norm).toBeGreaterThan(tight * bound);
});
