import { expect, test } from "vitest";
import { tanh } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { rng } from "../../kernels/random.ts";
import { vjp } from "../../src/autograd/vjp.ts";
import { gaussian } from "../../src/diffusion/gaussian.ts";
import { ddpmTable } from "../../src/diffusion/schedules.ts";
import { isLinear, type LinearOperator, nonlinear, type Operator } from "../../src/linalg/operator.ts";
import { blur } from "../../src/physics/blur.ts";
import { superResolution } from "../../src/physics/downsample.ts";
import { identity } from "../../src/physics/identity.ts";
import { jpeg } from "../../src/physics/jpeg.ts";
import { boxMask, inpaint } from "../../src/physics/mask.ts";
import { type Problem, restore, run } from "../../src/solvers/solver.ts";
import { type Ud2mOptions, ud2m, ud2mPresets } from "../../src/solvers/ud2m.ts";
import { type UnfoldedOptions, ud2mRho, ud2mTime, unfolded } from "../../src/solvers/unfolded.ts";
import { detached, dispose, scope } from "../../src/tensor/scope.ts";
import { type Shape, sizeOf } from "../../src/tensor/shape.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { dense, solve } from "../lib/dense.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { normals } from "../lib/random.ts";

withGpu();

const { sigma: SIGMA, alphaBar } = ddpmTable();
const s = (t: number) => SIGMA[t] as number;
/** Gives back what it is shown, so that the module's prox comes out. */
const nothing = Object.assign((x: Tensor) => lincomb(1, x), { sigmaMin: 0, sigmaMax: 200, channels: 1, multipleOf: 1 });

/** The rows of a linear operator's matrix, A e_j as columns. */
async function matrixOf(make: () => LinearOperator): Promise<{ M: number[][]; m: number; n: number }> {
  let [m, n] = [0, 0];
  const columns = await evaluate(() => {
    const A = make();
    [m, n] = [sizeOf(A.range), sizeOf(A.domain)];
    const units = tensor(
      [n, ...A.domain],
      Float32Array.from({ length: n * n }, (_, k) => Number(k % (n + 1) === 0)),
    );
    return A.apply(units);
  });
  return {
    M: Array.from({ length: m }, (_, i) => Array.from({ length: n }, (_, j) => columns[j * m + i] as number)),
    m,
    n,
  };
}

const psf = [
  [0.1, 0.3, 0],
  [0.05, 0.35, 0.1],
  [0, 0.02, 0.08],
];
const shape: Shape = [8, 8, 1];
const OPERATORS: [string, () => LinearOperator][] = [
  ["a mask", () => inpaint(boxMask(shape, { height: 3, width: 4 }))],
  ["a blur whose kernel is no mirror of itself", () => blur(shape, { psf })],
  ["super-resolution", () => superResolution(shape, 2)],
  ["a matrix, by conjugate gradients", () => dense(5, 9, normals(45, 3))],
];

test.each(OPERATORS)("the module's prox solves the normal equations in float64: %s", async (_, make) => {
  const { M, m, n } = await matrixOf(make);
  const [noise, t, lambda] = [0.12, 444, 1.7];
  const [ys, xs] = [normals(m, 5), normals(n, 6)];
  const got = await evaluate(() => {
    const A = make();
    const problem = { A, y: tensor([1, ...A.range], ys), sigmaNoise: noise, denoiser: nothing };
    const options: UnfoldedOptions = { modules: 1, mode: "paper", start: "adjoint", lambda, renoise: false };
    return unfolded(options)(problem, tensor([1, ...A.domain], xs), t, rng(1)).x;
  });
  const rho = ud2mRho(s(t), noise);
  expect(rho).toBeCloseTo((noise * s(t)) / Math.sqrt(noise ** 2 + s(t) ** 2), 12);
  const per = 1 / s(t) ** 2 + 1 / rho ** 2;
  const data = lambda * noise ** 2;
  const dot = (i: number, j: number) => M.reduce((sum, row) => sum + (row[i] as number) * (row[j] as number), 0);
  const normal = Array.from({ length: n }, (_, i) =>
    Array.from({ length: n }, (_, j) => dot(i, j) / data + (i === j ? per : 0)),
  );
  const back = Array.from({ length: n }, (_, j) =>
    M.reduce((sum, row, i) => sum + (row[j] as number) * (ys[i] as number), 0),
  );
  const side = back.map((b, j) => b / data + (xs[j] as number) / s(t) ** 2 + b / rho ** 2);
  expectClose(got, solve(normal, side), { l2: 1e-5 });
});

test("of one module, delta infinite and no noise put back, it is E[x0 | x_t, y] of the Gaussian toy", async () => {
  // rho_0 is the deviation of what y and x_t know together; the network is asked at that level, if the table has it
  const [t, u, c] = [300, 120, 0.25];
  const noise = 1 / Math.sqrt(1 / s(u) ** 2 - 1 / s(t) ** 2);
  expect(ud2mTime(ud2mRho(s(t), noise))).toBe(u);
  const full: Shape = [2, 4, 4, 1];
  const [ys, xs] = [normals(32, 7), normals(32, 8)];
  const got = await evaluate(() => {
    const problem = {
      A: identity(full.slice(1)),
      y: tensor(full, ys),
      sigmaNoise: noise,
      denoiser: gaussian({ variance: c, sigmaMax: 160 }),
    };
    const L = unfolded({ modules: 1, mode: "paper", delta: Number.POSITIVE_INFINITY, renoise: false });
    return L(problem, tensor(full, xs), t, rng(1)).x;
  });
  const precision = 1 / c + 1 / noise ** 2 + 1 / s(t) ** 2;
  const want = Float64Array.from(ys, (y, i) => (y / noise ** 2 + (xs[i] as number) / s(t) ** 2) / precision);
  expectClose(got, want, { l2: 2e-5 });
});

/** What one run draws in step i, in order. */
async function draws(seed: number, i: number, count: number, full: Shape) {
  const all = await evaluate(() => {
    const random = rng(seed).fork(i + 1);
    return Array.from({ length: count }, () => random.normal(full));
  });
  return all.map((z) => Float64Array.from(z));
}

/** The sampler on one pixel of a Gaussian prior measured as such, by the printed formulas in variance-preserving form. */
async function byHand(y: Float64Array, noise: number, c: number, seed: number, full: Shape, o: Ud2mOptions) {
  const { modules = 3, mode, zeta = 0 } = o;
  const times = [999, 444, 111];
  const root = (t: number) => Math.sqrt(alphaBar[t] as number);
  const rest = (t: number) => Math.sqrt(1 - (alphaBar[t] as number));
  const [first] = await draws(seed, -1, 1, full);
  let xt = first as Float64Array; // x_T ~ N(0, 1)
  for (const [i, t] of times.entries()) {
    const zs = await draws(seed, i, modules + 1, full);
    const rho = ud2mRho(s(t), noise);
    const u = ud2mTime(rho);
    const want = 1 / noise ** 2 + 1 / s(t) ** 2 + 1 / rho ** 2;
    let x = y.map((v) => v / (1 + 4 * noise ** 2));
    for (let k = 0; k < modules; k++) {
      const z = zs[k] as Float64Array;
      x = x.map((v, p) => {
        const prox = ((y[p] as number) / noise ** 2 + (xt[p] as number) / (root(t) * s(t) ** 2) + v / rho ** 2) / want;
        const zu = root(u) * prox + rest(u) * (z[p] as number);
        const eps = (zu - (root(u) * c * zu * root(u)) / (c * root(u) ** 2 + rest(u) ** 2)) / rest(u); // of x0 ~ N(0, c)
        return (zu - rest(u) * eps) / root(u);
      });
    }
    const x0 = mode === "repo" ? x.map((v) => Math.min(1, Math.max(-1, v))) : x;
    const next = times[i + 1];
    if (next === undefined) return x0;
    const eps = x.map((v, p) => ((xt[p] as number) - root(t) * v) / rest(t));
    const z = zs[modules] as Float64Array;
    xt = x0.map(
      (v, p) =>
        root(next) * v + rest(next) * (Math.sqrt(1 - zeta) * (eps[p] as number) + Math.sqrt(zeta) * (z[p] as number)),
    );
  }
  return xt;
}

test.each<Ud2mOptions>([
  { mode: "paper", modules: 3, start: "pinv" },
  { mode: "repo", modules: 2, start: "pinv", zeta: 0.9 },
])("Algorithm 1, number by number against its variance-preserving form: %o", async (options) => {
  const full: Shape = [1, 4, 6, 1];
  const [noise, c] = [0.3, 0.25];
  const ys = Float64Array.from(normals(24, 9));
  const problem: Problem = {
    A: identity(full.slice(1)),
    y: tensor(full, ys),
    sigmaNoise: noise,
    denoiser: gaussian({ variance: c, sigmaMax: 160 }),
  };
  const seen: number[] = [];
  let got: Float32Array = new Float32Array();
  for await (const step of run(ud2m(options), problem, { seed: 4 })) {
    seen.push(step.nfe);
    if (step.i === 2) {
      got = await step.x.read();
      dispose([step.x, step.x0]);
    }
  }
  const K = options.modules as number;
  expect(seen).toEqual([K, 2 * K, 3 * K]); // N K calls
  expectClose(got, await byHand(ys, noise, c, 4, full, options), { l2: 2e-5 });
  dispose([problem.y, problem.A.holds]);
});

test("known pixels are put back after all modules but the last two; the sample is clamped, what eps is made of is not", async () => {
  const full: Shape = [1, 8, 8, 1];
  const shown: Tensor[] = [];
  const loud = Object.assign(
    (x: Tensor) => {
      shown.push(detached(() => lincomb(1, x)));
      return lincomb(3, x);
    },
    { ...nothing },
  );
  const got = await evaluate(() => {
    const mask = boxMask(full.slice(1), { height: 4, width: 4 });
    const A = inpaint(mask);
    const y = A.apply(tensor(full, normals(64, 2)));
    const problem = { A, y, sigmaNoise: 0.05, denoiser: loud };
    const L = (mode: "paper" | "repo", inpainting: boolean) =>
      unfolded({ modules: 3, mode, inpainting, start: "adjoint", renoise: false })(
        problem,
        rng(3).normal(full),
        600,
        rng(1),
      );
    const out = { repo: L("repo", true), paper: L("paper", true), shown: [...shown], mask, y };
    return out;
  });
  expect(Math.max(...got.repo.x)).toBeGreaterThan(1);
  expect(Math.max(...got.repo.x0)).toBe(1);
  expect([...got.paper.x0]).toEqual([...got.paper.x]);
  const [first, second, , , secondPaper] = got.shown as Float32Array[];
  const rho = ud2mRho(s(600), 0.05, true);
  expect(rho).toBeCloseTo((0.65 * s(600)) / Math.hypot(0.65, s(600)), 12);
  let differ = 0;
  for (let i = 0; i < 64; i++) {
    if (!got.mask[i]) continue;
    // after an overwrite the prox begins from y, as the first one did
    expect((second as Float32Array)[i]).toBeCloseTo((first as Float32Array)[i] as number, 4);
    differ += Number(
      Math.abs(((secondPaper as Float32Array)[i] as number) - ((first as Float32Array)[i] as number)) > 1e-3,
    );
  }
  expect(differ).toBeGreaterThan(24);
});

test("of operators that are not linear, the prox is three steps of Adam, in float64 too", async () => {
  const full: Shape = [1, 4, 6, 1];
  const [noise, t, lr] = [0.2, 500, 0.03];
  const [ys, xs] = [normals(24, 4).map((v) => 0.5 * v), normals(24, 5)];
  const curve = nonlinear({ name: "curve", domain: full.slice(1), range: full.slice(1), apply: tanh });
  const out = await evaluate(() => {
    const problem = { A: curve, y: tensor(full, ys), sigmaNoise: noise, denoiser: nothing };
    const L = (xt: Tensor, start: "adjoint" | "blend") =>
      unfolded({ modules: 1, start, renoise: false, adam: { lr } })(problem, xt, t, rng(1)).x;
    const xt = tensor(full, xs);
    // straight through: Adam's moves are constants, so the gradient is that of the start
    const { pullback } = vjp((x: Tensor) => L(x, "blend"), xt);
    return { x: L(xt, "adjoint"), slope: pullback(tensor(full, ys))[0] };
  });
  const rho = ud2mRho(s(t), noise);
  const weight = noise ** 2 * (1 / s(t) ** 2 + 1 / rho ** 2);
  const want = Float64Array.from(ys, (y, i) => {
    const v = ((xs[i] as number) / s(t) ** 2 + y / rho ** 2) / (1 / s(t) ** 2 + 1 / rho ** 2);
    let [z, m, q] = [y, 0, 0];
    for (let k = 1; k <= 3; k++) {
      const g = (1 - Math.tanh(z) ** 2) * (Math.tanh(z) - y) + weight * (z - v);
      m = 0.9 * m + 0.1 * g;
      q = 0.999 * q + 0.001 * g * g;
      z -= (lr * (m / (1 - 0.9 ** k))) / (Math.sqrt(q / (1 - 0.999 ** k)) + 1e-8);
    }
    return z;
  });
  expectClose(out.x, want, { l2: 1e-5 });
  const share = noise ** 2 / (noise ** 2 + s(t) ** 2);
  expectClose(
    out.slope,
    ys.map((v) => share * v),
    { l2: 1e-5 },
  );
});

test("JPEG is sampled like the rest, from y", async () => {
  const full: Shape = [1, 16, 16, 3];
  const A = jpeg(full.slice(1));
  const y = scope(() => A.apply(lincomb(0.3, rng(4).normal(full))));
  const problem = { A, y, sigmaNoise: 0.02, denoiser: nothing };
  const x = await restore(problem, ud2m({ ...ud2mPresets.jpeg, modules: 1 }), { seed: 3 });
  const [got, from] = [await x.read(), await y.read()];
  const far = Math.sqrt(got.reduce((sum, v, i) => sum + (v - (from[i] as number)) ** 2, 0) / got.length);
  expect(far).toBeGreaterThan(0.01);
  expect(far).toBeLessThan(0.15);
  dispose([x, y, A.holds]);
});

test("the model that gives the start sees y and x_t as one measurement of equal noise, and is counted", async () => {
  const make = [() => blur([8, 8, 3], { gaussian: 1 }), () => superResolution([8, 8, 3], 4)];
  for (const A of make.map((f) => f())) {
    let off = Number.NaN;
    const told: unknown[] = [];
    const flat: Tensor = rng(8).normal([1, 8, 8, 3]);
    const model = (v: Tensor, B: Operator, o?: { sigma?: unknown }) => {
      told.push(o?.sigma);
      if (!isLinear(B)) throw new Error("not linear");
      expect(v.shape.slice(1)).toEqual([...B.range]);
      const clean = B.apply(flat);
      if (told.length === 1) pending = lincomb(1, v, -1, clean).read();
      return B.adjoint(v);
    };
    let pending: Promise<Float32Array> | undefined;
    const problem = { A, y: A.apply(flat), sigmaNoise: 0.1, denoiser: { ...nothing }, model };
    const whole = { ...problem, denoiser: Object.assign((x: Tensor) => lincomb(0.9, x), nothing) };
    let nfe = 0;
    for await (const step of run(ud2m({ start: "model" }), whole, { seed: 1 })) {
      nfe = step.nfe;
      if (step.i === 2) dispose([step.x, step.x0]);
    }
    expect(nfe).toBe(12);
    expect(told).toEqual(
      [0.1, 0.1, 0.1].map((v, i) => Math.min(v, Math.sqrt(1 - (alphaBar[[999, 444, 111][i] as number] as number)))),
    );
    // of x_T, noise but for a hundredth, the scaled row's residual has the deviation told
    const r = (await pending) as Float32Array;
    off = Math.sqrt(r.slice(-96).reduce((sum, v) => sum + v * v, 0) / 96);
    expect(off).toBeGreaterThan(0.02);
    expect(off).toBeLessThan(0.2);
    dispose([A.holds, problem.y, flat]);
  }
});

test("misuse is named", () => {
  expect(() => unfolded({ modules: 0 })).toThrow("ud2m: modules must be a whole number from 1 up, got 0");
});
