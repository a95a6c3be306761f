import { afterAll, describe, expect, test } from "vitest";
import { rng } from "../../kernels/random.ts";
import { vjp } from "../../src/autograd/vjp.ts";
import { leastSquares } from "../../src/linalg/least_squares.ts";
import type { LinearOperator } from "../../src/linalg/operator.ts";
import { pinv, proxL2 } from "../../src/linalg/prox_l2.ts";
import { birdcage } from "../../src/physics/coils.ts";
import { coilImages, mri, rss } from "../../src/physics/mri.ts";
import { mriMask } from "../../src/physics/mri_masks.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { solve } from "../lib/dense.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { type Properties, properties } from "../lib/operator_properties.ts";
import { asF32, normals, uniforms } from "../lib/random.ts";

withGpu();

const half = (H: number, W: number): Tensor =>
  tensor(
    [H, W, 1],
    Float32Array.from(uniforms(H * W, 5), (v) => (v > 0 ? 1 : 0)),
  );
const TABLE: Record<string, () => LinearOperator> = {
  "one coil, c64, all measured": () => mri([8, 12, 1]),
  "one coil, c64, half, odd sides": () => mri([9, 11, 1], { mask: half(9, 11) }),
  "one coil, two channels, columns": () =>
    mri([16, 20, 2], { mask: mriMask("equispaced", [16, 20], rng(2), { acceleration: 2, centre: 0.2 }) }),
  "one coil, two channels, odd sides": () => mri([7, 15, 2], { mask: half(7, 15) }),
  "4 coils, c64": () => mri([16, 12, 1], { maps: birdcage([16, 12], 4), mask: half(16, 12) }),
  "5 coils, two channels, odd sides": () => mri([9, 13, 2], { maps: birdcage([9, 13], 5), mask: half(9, 13) }),
  "8 coils, two channels, every second column": () =>
    mri([12, 24, 2], {
      maps: birdcage([12, 24], 8),
      mask: mriMask("equispaced", [12, 24], rng(2), { acceleration: 2, centre: 0.16 }),
    }),
};

describe("every form", () => {
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
    expect(nearest, "x - v is seen by A at rho = 0").toBeLessThan(1e-3);
    expect(norm, "power method over norm").toBeLessThan(1 + 1e-5);
    expect(norm).toBeGreaterThan(0.97);
  });
  afterAll(() => {
    const e = (v: number) => v.toExponential(0);
    const rows = Object.entries(found).map(([name, p]) =>
      [
        name.padEnd(44),
        ...[p.adjoint, p.linear, p.vjp, p.prox, p.etaPinv, p.pinv, p.rho0, p.nearest].map(e),
        p.norm?.toFixed(4),
      ].join("  "),
    );
    console.log(["adjoint, linear, vjp, prox, pinv(eta), A A+ A, rho = 0, nearest, norm reached", ...rows].join("\n"));
  });
});

/** y = A x, A^H y and the prox in doubles, from the definition: a sum over pixels for each sample of each coil. */
function dense(H: number, W: number, coils: number, mask: ArrayLike<number>, maps?: ArrayLike<number>) {
  const [n, m] = [H * W, H * W * coils];
  const re = Array.from({ length: m }, () => new Float64Array(n));
  const im = Array.from({ length: m }, () => new Float64Array(n));
  for (let k = 0; k < n; k++)
    for (let r = 0; r < n; r++) {
      const turns =
        ((Math.floor(k / W) - (H >> 1)) * (Math.floor(r / W) - (H >> 1))) / H +
        (((k % W) - (W >> 1)) * ((r % W) - (W >> 1))) / W;
      const size = (mask[k] as number) / Math.sqrt(n);
      const [c, s] = [size * Math.cos(2 * Math.PI * turns), -size * Math.sin(2 * Math.PI * turns)];
      for (let coil = 0; coil < coils; coil++) {
        const at = 2 * (r * coils + coil);
        const [p, q] = maps ? [maps[at] as number, maps[at + 1] as number] : [1, 0];
        (re[k * coils + coil] as Float64Array)[r] = c * p - s * q;
        (im[k * coils + coil] as Float64Array)[r] = c * q + s * p;
      }
    }
  const apply = (x: ArrayLike<number>) => {
    const y = new Float64Array(2 * m);
    for (let k = 0; k < m; k++)
      for (let r = 0; r < n; r++) {
        const [a, b] = [re[k]?.[r] as number, im[k]?.[r] as number];
        y[2 * k] = (y[2 * k] as number) + a * (x[2 * r] as number) - b * (x[2 * r + 1] as number);
        y[2 * k + 1] = (y[2 * k + 1] as number) + a * (x[2 * r + 1] as number) + b * (x[2 * r] as number);
      }
    return y;
  };
  const adjoint = (y: ArrayLike<number>) => {
    const x = new Float64Array(2 * n);
    for (let k = 0; k < m; k++)
      for (let r = 0; r < n; r++) {
        const [a, b] = [re[k]?.[r] as number, im[k]?.[r] as number];
        x[2 * r] = (x[2 * r] as number) + a * (y[2 * k] as number) + b * (y[2 * k + 1] as number);
        x[2 * r + 1] = (x[2 * r + 1] as number) + a * (y[2 * k + 1] as number) - b * (y[2 * k] as number);
      }
    return x;
  };
  /** (A^H A + rho)^-1 b, as real numbers of twice the count. */
  const regularised = (rho: number, b: Float64Array) => {
    const rows = Array.from({ length: 2 * n }, () => new Array<number>(2 * n).fill(0));
    for (let p = 0; p < n; p++)
      for (let q = 0; q < n; q++) {
        let [a, c] = [p === q ? rho : 0, 0];
        for (let k = 0; k < m; k++) {
          const [u, v] = [re[k] as Float64Array, im[k] as Float64Array];
          a += (u[p] as number) * (u[q] as number) + (v[p] as number) * (v[q] as number);
          c += (u[p] as number) * (v[q] as number) - (v[p] as number) * (u[q] as number);
        }
        const [top, bottom] = [rows[2 * p] as number[], rows[2 * p + 1] as number[]];
        top[2 * q] = a;
        top[2 * q + 1] = -c;
        bottom[2 * q] = c;
        bottom[2 * q + 1] = a;
      }
    return solve(rows, [...b]);
  };
  return { apply, adjoint, regularised };
}

describe("against dense matrices in float64", () => {
  const rho = 0.3;
  const plain = asF32(uniforms(256, 9)).map((v) => (v > 0 ? 1 : 0));
  test.each([
    [16, 16, 1, false],
    [16, 16, 3, true],
    [9, 7, 2, true],
  ] as const)("%i x %i, %i coils", async (H, W, coils, withMaps) => {
    const mask = plain.subarray(0, H * W);
    const maps = asF32(normals(2 * H * W * coils, 4).map((v) => v / Math.sqrt(4 * coils)));
    const want = dense(H, W, coils, mask, withMaps ? maps : undefined);
    const [x, y] = [asF32(normals(2 * H * W, 1)), asF32(normals(2 * H * W * coils, 2))];
    const got = await evaluate(() => {
      const options = {
        mask: tensor([H, W, 1], mask),
        ...(withMaps && { maps: tensor([H, W, coils], maps, "c64") }),
      };
      const [A, B] = [mri([H, W, 1], options), mri([H, W, 2], options)];
      const [v, k] = [tensor([1, H, W, 1], x, "c64"), tensor([1, H, W, coils], y, "c64")];
      const parts = tensor([1, H, W, 2], x);
      const all = (O: LinearOperator, z: Tensor) => ({
        Ax: O.apply(z),
        Ay: O.adjoint(k),
        prox: proxL2(O, z, k, rho, { iterations: 80 }),
        pinv: pinv(O, k, rho, { iterations: 80 }),
      });
      return [all(A, v), all(B, parts)];
    });
    const [Ax, Ay] = [want.apply(x), want.adjoint(y)];
    const prox = want.regularised(
      rho,
      Ay.map((v, i) => v + rho * (x[i] as number)),
    );
    // with coils both are the same conjugate gradients
    const damped = withMaps ? undefined : want.regularised(rho, Ay);
    for (const one of got) {
      expectClose(one.Ax, Ax, { l2: 1e-6 });
      expectClose(one.Ay, Ay, { l2: 1e-6 });
      expectClose(one.prox, prox, { l2: 1e-5 });
      if (damped) expectClose(one.pinv, damped, { l2: 1e-5 });
    }
  });
});

test("a batch of three is three alone, forwards, backwards and through gradients", async () => {
  const [H, W, coils] = [9, 12, 4];
  const data = asF32(normals(3 * H * W * 2, 6));
  const one = (k: number) => tensor([1, H, W, 2], data.subarray(k * H * W * 2, (k + 1) * H * W * 2));
  const run = (x: Tensor) => {
    const A = mri([H, W, 2], { maps: birdcage([H, W], coils), mask: half(H, W) });
    const { value, pullback } = vjp((v: Tensor) => proxL2(A, v, A.apply(v), 0.5), x);
    return { y: A.apply(x), back: A.adjoint(A.apply(x)), value, dx: pullback(x)[0] };
  };
  const all = await evaluate(() => run(tensor([3, H, W, 2], data)));
  for (let k = 0; k < 3; k++) {
    const alone = await evaluate(() => run(one(k)));
    for (const name of ["y", "back", "value", "dx"] as const) {
      const part = all[name].length / 3;
      expectClose(all[name].subarray(k * part, (k + 1) * part), alone[name], { l2: 1e-5 });
    }
    // x is consistent with its own measurement, so the prox leaves it as it is, and so does its gradient
    expectClose(alone.value, data.subarray(k * H * W * 2, (k + 1) * H * W * 2), { l2: 1e-5 });
    expectClose(alone.dx, data.subarray(k * H * W * 2, (k + 1) * H * W * 2), { l2: 1e-5 });
  }
});

test("coil images, their root sum of squares, and the sum of |S|^2", async () => {
  const [H, W, coils] = [10, 13, 6];
  const got = await evaluate(() => {
    const maps = birdcage([H, W], coils);
    const x = tensor([1, H, W, 1], normals(2 * H * W, 3), "c64");
    const y = mri([H, W, 1], { maps }).apply(x);
    return { x, maps, rss: rss(y), images: coilImages(y) };
  });
  const modulus = (z: ArrayLike<number>, i: number) => Math.hypot(z[2 * i] as number, z[2 * i + 1] as number);
  const xs = Float64Array.from({ length: H * W }, (_, i) => modulus(got.x, i));
  expectClose(got.rss, xs, { l2: 1e-6 });
  const each = Float64Array.from({ length: H * W * coils }, (_, i) => modulus(got.images, i));
  expectClose(
    each,
    each.map((_, i) => (xs[Math.floor(i / coils)] as number) * modulus(got.maps, i)),
    { l2: 1e-6 },
  );
});

test("least squares: from a start, with and without lambda, and its residual", async () => {
  const { x, back, truth, residual } = await evaluate(() => {
    const A = mri([16, 16, 2], { maps: birdcage([16, 16], 6), mask: half(16, 16) });
    const truth = rng(4).normal([2, 16, 16, 2]);
    const y = A.apply(truth);
    const solved = leastSquares(A, y, { iterations: 60, tol: 1e-6 });
    // at the solution there is nothing left to do, whatever draws it there
    const again = leastSquares(A, y, { lambda: 2, x0: truth, iterations: 5 });
    return { x: solved.x, residual: solved.residual, back: again.x, truth };
  });
  expectClose(x, truth, { l2: 1e-4 });
  expectClose(back, truth, { l2: 1e-6 });
  for (const r of residual) expect(r).toBeLessThan(1e-6);
});

test("says what is wrong with a shape, maps or a mask", () => {
  const bad = (fn: () => unknown) => {
    try {
      fn();
    } catch (error) {
      return (error as Error).message;
    }
    return "nothing";
  };
  expect(bad(() => mri([8, 8, 3]))).toMatch(/^mri: a picture is \[H, W, 1\] for c64 or \[H, W, 2\]/);
  const eight = tensor([8, 8, 1], new Float32Array(64));
  expect(bad(() => mri([8, 9, 1], { mask: eight }))).toMatch(
    /^mri: expected a mask f32 \[8, 9, 1\], got f32 \[8, 8, 1\]/,
  );
  expect(bad(() => mri([8, 8, 1], { maps: eight }))).toMatch(/^mri: expected maps c64 \[8, 8, coils\], got f32/);
  expect(bad(() => rss(eight))).toMatch(/^mri: k-space expects c64 \[N, H, W, coils\]/);
  eight.dispose();
});
