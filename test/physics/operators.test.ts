import { afterAll, describe, expect, test } from "vitest";
import { lincomb } from "../../kernels/lincomb.ts";
import { rng } from "../../kernels/random.ts";
import { gpu } from "../../src/gpu/open.ts";
import { compose, type LinearOperator, linear, scale, stack } from "../../src/linalg/operator.ts";
import { pinv, proxL2 } from "../../src/linalg/prox_l2.ts";
import { blur } from "../../src/physics/blur.ts";
import { superResolution } from "../../src/physics/downsample.ts";
import { identity } from "../../src/physics/identity.ts";
import { bernoulliMask, boxMask, dustMask, inpaint, pictureMask, randomMask } from "../../src/physics/mask.ts";
import { dispose, scope } from "../../src/tensor/scope.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { matrixOf, type Properties, properties } from "../lib/operator_properties.ts";
import { asF32, normals, uniforms } from "../lib/random.ts";

withGpu();

const psf = [
  [0.05, 0.2, 0],
  [0.1, 0.3, 0.1],
  [0, 0.15, 0.05],
  [0.02, 0.02, 0.01],
];
const signed = [[-1, 2, -0.5]];
const TABLE: Record<string, () => LinearOperator> = {
  identity: () => identity([7, 5, 3]),
  "inpaint, box": () => inpaint(boxMask([16, 12, 3])),
  "inpaint, random": () => inpaint(randomMask([9, 11, 3], rng(1), { missing: 0.7 })),
  "inpaint, mask of one channel": () =>
    inpaint(
      tensor(
        [1, 6, 5, 1],
        Float32Array.from({ length: 30 }, (_, i) => (i % 3 ? 1 : 0)),
      ),
      [6, 5, 3],
    ),
  "blur, Gaussian 1": () => blur([16, 20, 3], { gaussian: 1 }),
  "blur, Gaussian 3, odd prime sides": () => blur([1, 31, 37, 1], { gaussian: 3 }),
  "blur, anisotropic": () => blur([24, 16, 3], { anisotropic: { along: 3, across: 0.8, angle: 0.6 } }),
  "blur, uniform 9 of 10 x 15": () => blur([10, 15, 2], { uniform: 9 }),
  "blur, asymmetric, even": () => blur([12, 9, 3], { psf }),
  "blur, one for each channel, wider than the picture": () => blur([3, 4, 2], { psf: { channels: [psf, signed] } }),
  "mean of 4 x 4": () => superResolution([16, 12, 3], 4),
  "mean of 3 x 3": () => superResolution([9, 15, 1], 3),
  "mean of 1 x 1": () => superResolution([4, 4, 1], 1),
  "Gaussian, every 2nd": () => superResolution([12, 20, 3], 2, { gaussian: 1 }),
  "asymmetric, every 3rd": () => superResolution([15, 9, 2], 3, { psf }),
  "Gaussian 1.5, every 4th": () => superResolution([16, 24, 1], 4, { gaussian: 1.5 }),
  "scaled blur": () => scale(0.5, blur([8, 10, 1], { gaussian: 0.7 })),
  "mask of a blur": () => compose(inpaint(boxMask([8, 8, 1])), blur([8, 8, 1], { gaussian: 0.5 })),
  "mask above smaller picture": () => stack(inpaint(boxMask([8, 8, 2])), superResolution([8, 8, 2], 2)),
};

describe("every operator", () => {
  const found: Record<string, Properties> = {};
  test.each(Object.keys(TABLE))("%s", async (name) => {
    const got = await properties(TABLE[name] as () => LinearOperator);
    found[name] = got;
    const { adjoint, linear, prox, rho0, nearest, pinv, etaPinv, vjp, norm } = got;
    expect(adjoint, "<Ax, y> = <x, A*y>").toBeLessThan(1e-5);
    expect(linear, "A(2x - 3z) = 2Ax - 3Az").toBeLessThan(1e-5);
    expect(vjp, "gradient is the adjoint").toBeLessThan(1e-5);
    expect(prox, "(A*A + rho) x = A*y + rho v").toBeLessThan(1e-4);
    expect(etaPinv, "(A*A + eta) x = A*y").toBeLessThan(1e-4);
    expect(pinv, "A A+ A = A").toBeLessThan(1e-4);
    expect(rho0, "A*(A x - y) = 0 at rho = 0").toBeLessThan(1e-4);
    // f32's 1e-7 through frequencies that the blur weakens 1e5 times
    expect(nearest, "x - v is seen by A at rho = 0").toBeLessThan(1e-3);
    if (norm !== undefined) {
      expect(norm, "power method over norm").toBeLessThan(1 + 1e-5);
      expect(norm).toBeGreaterThan(0.97);
    }
  });
  afterAll(() => {
    const e = (v: number) => v.toExponential(0);
    const rows = Object.entries(found).map(([name, p]) =>
      [
        name.padEnd(50),
        ...[p.adjoint, p.linear, p.vjp, p.prox, p.etaPinv, p.pinv, p.rho0, p.nearest].map(e),
        p.norm?.toFixed(4) ?? "-",
      ].join("  "),
    );
    console.log(["adjoint, linear, vjp, prox, pinv(eta), A A+ A, rho = 0, nearest, norm reached", ...rows].join("\n"));
  });
});

describe("what they compute, against loops", () => {
  const [H, W] = [6, 8];
  const at = (i: number, j: number) => (((i % H) + H) % H) * W + (((j % W) + W) % W);
  /** B x, the tap [2, 1] of the 4 x 3 psf at the origin. */
  const convolved = (x: Float64Array) =>
    Float64Array.from({ length: H * W }, (_, k) => {
      let s = 0;
      for (const [a, row] of psf.entries())
        for (const [b, v] of row.entries()) s += v * (x[at(Math.floor(k / W) - (a - 2), (k % W) - (b - 1))] as number);
      return s;
    });
  const x = asF32(normals(H * W, 1));
  const apply = async (make: () => LinearOperator) =>
    (await evaluate(() => ({ y: make().apply(tensor([1, H, W, 1], x)) }))).y;

  test("blur is circular convolution, centred at tap floor(k/2)", async () => {
    expectClose(await apply(() => blur([H, W, 1], { psf })), convolved(x), { l2: 1e-6 });
  });
  test("super-resolution with a blur keeps the first pixel of each block", async () => {
    const want = convolved(x).filter((_, k) => Math.floor(k / W) % 2 === 0 && (k % W) % 2 === 0);
    expectClose(await apply(() => superResolution([H, W, 1], 2, { psf })), want, { l2: 1e-6 });
  });
  test("super-resolution averages blocks", async () => {
    const want = Float64Array.from({ length: 12 }, (_, k) => {
      const [i, j] = [2 * Math.floor(k / 4), 2 * (k % 4)];
      return (
        ((x[at(i, j)] as number) +
          (x[at(i, j + 1)] as number) +
          (x[at(i + 1, j)] as number) +
          (x[at(i + 1, j + 1)] as number)) /
        4
      );
    });
    expectClose(await apply(() => superResolution([H, W, 1], 2)), want, { l2: 1e-6 });
  });
  test("pseudo-inverses are those of the matrix", async () => {
    // A+ = A^T (A A^T)^-1 for the full-rank ones: then A A+ is the identity of the range
    for (const make of [
      () => superResolution([H, W, 1], 2),
      () => superResolution([H, W, 1], 2, { psf }),
      () => blur([H, W, 1], { psf }),
    ]) {
      const A = scope(make);
      const both = linear({
        ...A,
        domain: A.range,
        apply: (y) => scope(() => A.apply((A.pinv as (y: Tensor, eta: number) => Tensor)(y, 0))),
        adjoint: (y) => y,
      });
      const columns = await matrixOf(both);
      for (const [j, column] of columns.entries())
        expectClose(
          column,
          column.map((_, i) => Number(i === j)),
          { l2: 1e-4 },
        );
      dispose(A);
    }
  });
  test("the pseudo-inverse of a blur leaves lost frequencies 0", async () => {
    // the mean of 8 columns keeps one frequency of each row only: A+ A is that mean, and no noise is blown up
    const noisy = x.map((v, i) => v + 1e-3 * Math.sin(i * i));
    const { back } = await evaluate(() => ({
      back: blur([H, W, 1], { uniform: [1, 8] }).pinv?.(tensor([1, H, W, 1], noisy), 0) as Tensor,
    }));
    const want = Float64Array.from(noisy, (_, k) => {
      let s = 0;
      for (let j = 0; j < W; j++) s += noisy[at(Math.floor(k / W), j)] as number;
      return s / W;
    });
    expectClose(back, want, { l2: 1e-5 });
  });
  test("inpaint blanks what the mask misses, in all channels", async () => {
    const data = asF32(uniforms(2 * 4 * 4 * 3, 2));
    const { y } = await evaluate(() => ({
      y: inpaint(boxMask([4, 4, 3], { height: 2, width: 1, top: 1, left: 3 })).apply(tensor([2, 4, 4, 3], data)),
    }));
    const hole = (k: number) => Math.floor(k / 3) % 4 === 3 && [1, 2].includes(Math.floor(k / 12) % 4);
    expectClose(
      y,
      data.map((v, k) => (hole(k % 48) ? 0 : v)),
      { l2: 0 },
    );
  });
});

test("outside a scope each call leaves one tensor, its result", async () => {
  for (const make of Object.values(TABLE)) {
    const A = scope(make);
    const [x, y] = [
      tensor([1, ...A.domain], normals(size(A.domain), 1)),
      tensor([1, ...A.range], normals(size(A.range), 2)),
    ];
    const calls = [
      () => A.apply(x),
      () => A.adjoint(y),
      () => proxL2(A, x, y, 0.5, few),
      () => proxL2(A, x, y, 0, few),
      () => pinv(A, y, 0.5, few),
      () => pinv(A, y, 0, few),
    ];
    // what is kept with y is made by the first calls
    for (const call of [...calls, ...calls]) call().dispose();
    const before = gpu().live;
    for (const [k, call] of calls.entries()) {
      const out = call();
      expect(gpu().live - before, `${A.name}, call ${k}`).toBe(1);
      out.dispose();
    }
    dispose([A, x, y]);
  }
});
const size = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
const few = { iterations: 2 };

describe("masks", () => {
  const holes = async (mask: Tensor) => {
    const data = await mask.read();
    dispose(mask);
    return { data, count: data.filter((v) => v === 0).length };
  };
  test("a centred box of a quarter of the side, unless told otherwise", async () => {
    const { data, count } = await holes(boxMask([1, 16, 32, 3]));
    expect(count).toBe(4 * 8 * 3);
    expect([
      data[(6 * 32 + 12) * 3],
      data[(6 * 32 + 11) * 3],
      data[(9 * 32 + 19) * 3],
      data[(10 * 32 + 19) * 3],
    ]).toEqual([0, 1, 0, 1]);
  });
  test("a box anywhere inside the margin", async () => {
    const seen = new Set<number>();
    for (let seed = 0; seed < 30; seed++) {
      const { data, count } = await holes(boxMask([20, 20, 1], { height: 4, width: 4, rng: rng(seed), margin: 7 }));
      expect(count).toBe(16);
      const first = data.indexOf(0);
      const [top, left] = [Math.floor(first / 20), first % 20];
      expect(Math.min(top, left)).toBeGreaterThanOrEqual(7);
      expect(Math.max(top, left)).toBeLessThanOrEqual(9);
      seen.add(first);
    }
    expect(seen.size).toBeGreaterThan(5);
  });
  test("random pixels: the exact count, the same for a seed, alike in all channels", async () => {
    const draw = (seed: number, missing: number) => holes(randomMask([30, 40, 3], rng(seed), { missing }));
    const { data, count } = await draw(3, 0.8);
    expect(count).toBe(3 * 960);
    expect((await draw(3, 0.8)).data).toEqual(data);
    expect((await draw(4, 0.8)).data).not.toEqual(data);
    for (let k = 0; k < data.length; k += 3) expect(data[k + 1]).toBe(data[k]);
    expect([(await draw(1, 0)).count, (await draw(1, 1)).count]).toEqual([0, 3600]);
  });
  test("each pixel by itself: the part that is missing, and not exactly", async () => {
    const parts = [];
    for (let seed = 0; seed < 4; seed++)
      parts.push((await holes(bernoulliMask([50, 40, 3], rng(seed), { missing: 0.7 }))).count / 6000);
    for (const part of parts) expect(Math.abs(part - 0.7)).toBeLessThan(0.05);
    expect(new Set(parts).size).toBeGreaterThan(1);
    const { data } = await holes(bernoulliMask([9, 7, 3], rng(1)));
    for (let k = 0; k < data.length; k += 3) expect([data[k + 1], data[k + 2]]).toEqual([data[k], data[k]]);
  });
  test("dust: the exact count, in specks; of grain 1 single pixels", async () => {
    const neighbours = (data: ArrayLike<number>) => {
      let n = 0;
      for (let k = 1; k < data.length; k++) n += Number(data[k] === 0 && data[k - 1] === 0);
      return n;
    };
    const coarse = await holes(dustMask([31, 40, 1], rng(5), { missing: 0.2, grain: 6 }));
    const fine = await holes(dustMask([31, 40, 1], rng(5), { missing: 0.2, grain: 1 }));
    expect([coarse.count, fine.count]).toEqual([248, 248]);
    expect(neighbours(coarse.data)).toBeGreaterThan(2 * neighbours(fine.data));
    expect((await holes(dustMask([8, 8, 3], rng(1), { missing: 1 }))).count).toBe(192);
  });
  test("from a picture: white is known", async () => {
    const data = Float32Array.from([1, 1, 1, -1, -1, -1, 0.2, 0.2, -0.1, 1, -1, -1]);
    const picture = { width: 2, height: 2, channels: 3 as const, bits: 8 as const, data };
    expect([...(await holes(pictureMask(picture))).data]).toEqual([1, 0, 1, 0]);
    expect((await holes(pictureMask(picture, { channels: 3 }))).count).toBe(6);
  });
});

test("what does not fit is refused, by name and numbers", async () => {
  await evaluate(() => {
    const x = tensor([1, 4, 6, 3], new Float32Array(72));
    const mask = boxMask([4, 4, 3]);
    expect(() => identity([4, 4, 3]).apply(x)).toThrow(
      "identity: apply expects its domain as f32 [N, 4, 4, 3], got f32 [1, 4, 6, 3]",
    );
    expect(() => inpaint(mask, [4, 6, 3])).toThrow(
      "inpaint: a picture [4, 6, 3] takes a mask f32 [4, 6, 1 or 3], got f32 [4, 4, 3]",
    );
    expect(() => inpaint(mask, [4, 4, 2])).toThrow("1 or 2], got f32 [4, 4, 3]");
    return lincomb(1, x);
  });
  expect(() => identity([4, 4])).toThrow("identity: expected a picture's shape, [H, W, C] or [N, H, W, C], got [4, 4]");
  expect(() => blur([4, 4, 0], { gaussian: 1 })).toThrow("blur: expected a picture's shape");
  expect(() => blur([4, 4, 3], { gaussian: 0 })).toThrow("gaussianPsf: expected a number above 0, got 0");
  expect(() => blur([4, 4, 3], { psf: { channels: [psf, psf] } })).toThrow(
    "blur: 2 point spread functions for 3 channels",
  );
  expect(() => blur([4, 4, 3], { psf: [[Number.NaN]] })).toThrow(
    "blur: the point spread function holds a number that is not finite",
  );
  expect(() => superResolution([9, 8, 3], 4)).toThrow(
    "superResolution: [9, 8, 3] does not divide into blocks of 4x4; crop it first",
  );
  expect(() => boxMask([8, 8, 1], { top: 7 })).toThrow("boxMask: a box of 2x2 at (7, 3) does not lie in 8x8");
  expect(() => randomMask([8, 8, 1], rng(0), { missing: 2 })).toThrow(
    "randomMask: missing must be between 0 and 1, got 2",
  );
});
