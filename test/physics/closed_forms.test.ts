import { expect, test } from "vitest";
import { dft2 } from "../../kernels/fft_host.ts";
import { rng } from "../../kernels/random.ts";
import type { LinearOperator } from "../../src/linalg/operator.ts";
import { pinv, proxL2 } from "../../src/linalg/prox_l2.ts";
import { bicubicConvolution, imresize } from "../../src/physics/bicubic.ts";
import { blur } from "../../src/physics/blur.ts";
import { grey } from "../../src/physics/colour.ts";
import { randomConvolution, walshSensing } from "../../src/physics/compressed_sensing.ts";
import { superResolution } from "../../src/physics/downsample.ts";
import { inpaint, randomMask } from "../../src/physics/mask.ts";
import { psf2otf } from "../../src/physics/psf.ts";
import { publishedPsf } from "../../src/physics/psf_published.ts";
import { dispose, scope } from "../../src/tensor/scope.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { expectClose, relativeL2 } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { matrixOf } from "../lib/operator_properties.ts";
import { asF32, normals, uniforms } from "../lib/random.ts";

withGpu();

const S = 16;
/** Cholesky in doubles: the solution of M x = b, M symmetric and positive, rows of n numbers. */
function cholesky(M: Float64Array, b: Float64Array): Float64Array {
  const n = b.length;
  const L = M.slice();
  const x = b.slice();
  for (let j = 0; j < n; j++) {
    for (let i = j; i < n; i++) {
      let s = L[i * n + j] as number;
      for (let k = 0; k < j; k++) s -= (L[i * n + k] as number) * (L[j * n + k] as number);
      L[i * n + j] = i === j ? Math.sqrt(s) : s / (L[j * n + j] as number);
    }
  }
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) x[i] = (x[i] as number) - (L[i * n + k] as number) * (x[k] as number);
    x[i] = (x[i] as number) / (L[i * n + i] as number);
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) x[i] = (x[i] as number) - (L[k * n + i] as number) * (x[k] as number);
    x[i] = (x[i] as number) / (L[i * n + i] as number);
  }
  return x;
}
/** (A^T A w + rho)^-1 (A^T y w + rho v), A as columns. */
function normal(columns: readonly Float64Array[], y: Float64Array, v: Float64Array, w: number, rho: number) {
  const n = columns.length;
  const M = new Float64Array(n * n);
  const b = new Float64Array(n);
  columns.forEach((a, i) => {
    for (let j = i; j < n; j++) {
      const other = columns[j] as Float64Array;
      let s = i === j ? rho : 0;
      for (let k = 0; k < a.length; k++) s += w * (a[k] as number) * (other[k] as number);
      M[i * n + j] = s;
      M[j * n + i] = s;
    }
    b[i] = rho * (v[i] as number) + w * a.reduce((s, p, k) => s + p * (y[k] as number), 0);
  });
  return cholesky(M, b);
}

const psf = [
  [0.05, 0.2, 0],
  [0.1, 0.3, 0.1],
  [0, 0.15, 0.05],
  [0.02, 0.02, 0.01],
];
const CASES: Record<string, () => LinearOperator> = {
  mask: () => inpaint(randomMask([S, S, 1], rng(3))),
  "circular blur, asymmetric": () => blur([S, S, 1], { psf }),
  "blur and every 4th": () => superResolution([S, S, 1], 4, { psf: publishedPsf.bicubic(2) }),
  "mean of 2 x 2": () => superResolution([S, S, 1], 2),
  "Gaussian blur, reflected": () => blur([S, S, 1], { gaussian: 1.2, boundary: "reflect" }),
  "DDRM's anisotropic blur": () =>
    blur([S, S, 1], { psf: publishedPsf.ddrmAnisotropic(), boundary: "zero", least: 3e-2 }),
  "uniform blur, valid": () => blur([S, S, 1], { uniform: [3, 5], boundary: "valid" }),
  "SRConv 4": () => bicubicConvolution([S, S, 1], 4),
  "imresize 2": () => imresize([S, S, 1], 2),
  "imresize 3, which leaves a rest": () => imresize([S, S, 1], 3),
  "Walsh-Hadamard": () => walshSensing([S, S, 1], rng(4), { ratio: 4 }),
  "random convolution": () => randomConvolution([S, S, 1], rng(5), { ratio: 3 }),
  grey: () => grey([8, 10, 3], { weights: "rec601" }),
};

test.each(Object.keys(CASES))("%s: prox and damped inverse are those of the matrix in doubles", async (name) => {
  const A = scope(CASES[name] as () => LinearOperator);
  const columns = await matrixOf(A);
  const [n, m] = [columns.length, columns[0]?.length as number];
  const [v, y] = [asF32(normals(n, 1)), asF32(normals(m, 2))];
  for (const rho of [0.02, 1.5]) {
    const { x, damped } = await evaluate(() => {
      const t = tensor([1, ...A.range], y);
      return { x: proxL2(A, tensor([1, ...A.domain], v), t, rho), damped: pinv(A, t, rho) };
    });
    expect(A.prox && A.pinv, "closed forms").toBeTruthy();
    expectClose(x, normal(columns, y, v, 1, rho), { l2: 1e-5 });
    expectClose(damped, normal(columns, y, new Float64Array(n), 1, rho), { l2: 1e-5 });
  }
  dispose(A);
});

/** The matrix of the circular blur from its definition, columns; of it every s-th row and column. */
function blurMatrix(s: number): Float64Array[] {
  const wrap = (i: number) => ((i % S) + S) % S;
  const h = S / s;
  return Array.from({ length: S * S }, (_, j) => {
    const out = new Float64Array(h * h);
    psf.forEach((row, a) => {
      row.forEach((value, b) => {
        const [i, k] = [wrap(Math.floor(j / S) + a - 2), wrap((j % S) + b - 1)];
        if (i % s === 0 && k % s === 0) out[(i / s) * h + k / s] = (out[(i / s) * h + k / s] as number) + value;
      });
    });
    return out;
  });
}

/**
 * UD2M's data step: min |y - A x|^2/(2 sigma^2) + |x - x_t/sqrt(abar)|^2/(2 s2) + |x - xt|^2/(2 delta), s2 = (1 - abar)/abar, as
 * printed in Eq. 14 to 16 once their misprints are mended. All three are one prox at xbar with rho = sigma^2/kappa.
 */
const [sigma, abar, delta] = [0.1, 0.3, 0.7];
const s2 = (1 - abar) / abar;
const kappa = (delta * s2) / (delta + s2);
const xt = asF32(uniforms(S * S, 5));
const noisy = asF32(normals(S * S, 6));
const xbar = noisy.map((v, i) => kappa * (v / (Math.sqrt(abar) * s2) + (xt[i] as number) / delta));
const ours = async (make: () => LinearOperator, y: Float64Array) => {
  const { x } = await evaluate(() => {
    const A = make();
    const given: Tensor = tensor([1, ...A.range], y);
    return { x: proxL2(A, tensor([1, S, S, 1], xbar), given, sigma ** 2 / kappa) };
  });
  return x;
};
const complexOf = (x: Float64Array) =>
  Float64Array.from({ length: 2 * x.length }, (_, i) => (i % 2 ? 0 : (x[i >> 1] as number)));
/** Real part of the inverse transform. */
const inverse = (X: Float64Array) => {
  const back = dft2(
    X.map((v, i) => (i % 2 ? -v : v)),
    S,
    S,
  );
  return Float64Array.from({ length: S * S }, (_, i) => (back[2 * i] as number) / (S * S));
};
const OTF = psf2otf(psf, S, S);
const at = (X: Float64Array, k: number) => [X[2 * k], X[2 * k + 1]] as [number, number];

test("UD2M Eq. 14, circular blur: with the conjugate and |B|^2", async () => {
  const y = asF32(normals(S * S, 7));
  const want = normal(blurMatrix(1), y, xbar, 1 / sigma ** 2, 1 / kappa);
  const [Y, T, X] = [y, xt, noisy].map((v) => dft2(complexOf(v), S, S)) as [Float64Array, Float64Array, Float64Array];
  const out = new Float64Array(2 * S * S);
  for (let k = 0; k < S * S; k++) {
    const [[b, c], [p, q]] = [at(OTF, k), at(Y, k)];
    const below = (b * b + c * c) / sigma ** 2 + 1 / kappa;
    for (const part of [0, 1]) {
      const Bty = part ? b * q - c * p : b * p + c * q;
      const rest = (X[2 * k + part] as number) / (Math.sqrt(abar) * s2) + (T[2 * k + part] as number) / delta;
      out[2 * k + part] = (Bty / sigma ** 2 + rest) / below;
    }
  }
  expectClose(inverse(out), want, { l2: 1e-12 });
  expectClose(await ours(() => blur([S, S, 1], { psf }), y), want, { l2: 1e-5 });
});

test("UD2M Eq. 15, mask: with sigma^2 + kappa", async () => {
  const m = uniforms(S * S, 8).map((v) => (v > 0 ? 1 : 0));
  const y = asF32(normals(S * S, 9)).map((v, i) => v * (m[i] as number));
  const columns = Array.from({ length: S * S }, (_, j) =>
    Float64Array.from({ length: S * S }, (_, i) => (i === j ? (m[j] as number) : 0)),
  );
  const want = normal(columns, y, xbar, 1 / sigma ** 2, 1 / kappa);
  const b = y.map((v, i) => v / sigma ** 2 + (xbar[i] as number) / kappa);
  const printed = b.map((v, i) => kappa * v - (kappa * kappa * (m[i] as number) * v) / (sigma ** 2 + kappa));
  expectClose(printed, want, { l2: 1e-12 });
  expectClose(await ours(() => inpaint(tensor([1, S, S, 1], m)), y), want, { l2: 1e-5 });
});

test("UD2M Eq. 16, blur and decimation: conj(B) tile((B r) / (mean |B|^2 + alpha)), alpha for both of kappa's roles", async () => {
  const s = 4;
  const h = S / s;
  const y = asF32(normals(h * h, 10));
  const want = normal(blurMatrix(s), y, xbar, 1 / sigma ** 2, 1 / kappa);
  const up = new Float64Array(S * S);
  y.forEach((v, i) => {
    up[Math.floor(i / h) * s * S + (i % h) * s] = v;
  });
  const [Y, T, X] = [up, xt, noisy].map((v) => dft2(complexOf(v), S, S)) as [Float64Array, Float64Array, Float64Array];
  const c = sigma ** 2 / (Math.sqrt(abar) * s2 * delta);
  const alpha = sigma ** 2 * (1 / s2 + 1 / delta);
  const r = new Float64Array(2 * S * S);
  const [power, Br] = [new Float64Array(h * h), new Float64Array(2 * h * h)];
  const low = (k: number) => (Math.floor(k / S) % h) * h + ((k % S) % h);
  for (let k = 0; k < S * S; k++) {
    const [[b, d], [p, q]] = [at(OTF, k), at(Y, k)];
    for (const part of [0, 1]) {
      const rest = delta * (X[2 * k + part] as number) + Math.sqrt(abar) * s2 * (T[2 * k + part] as number);
      r[2 * k + part] = (part ? b * q - d * p : b * p + d * q) + c * rest;
    }
    const [e, f] = at(r, k);
    const l = low(k);
    power[l] = (power[l] as number) + (b * b + d * d) / (s * s);
    Br[2 * l] = (Br[2 * l] as number) + (b * e - d * f) / (s * s);
    Br[2 * l + 1] = (Br[2 * l + 1] as number) + (b * f + d * e) / (s * s);
  }
  const out = r.map((_, i) => {
    const [k, part] = [i >> 1, i % 2];
    const [b, d] = at(OTF, k);
    const below = (power[low(k)] as number) + alpha;
    const [e, f] = at(Br, low(k)).map((v) => v / below) as [number, number];
    return ((r[i] as number) - (part ? b * f - d * e : b * e + d * f)) / alpha;
  });
  expectClose(inverse(out), want, { l2: 1e-12 });
  // what is printed takes c for alpha, and the two are not alike here
  expect(relativeL2([c], [alpha])).toBeGreaterThan(0.1);
  expectClose(await ours(() => superResolution([S, S, 1], s, { psf }), y), want, { l2: 1e-5 });
});
