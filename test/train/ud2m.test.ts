import { expect, test } from "vitest";
import { mul } from "../../kernels/broadcast.ts";
import { square, tanh } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { linear as dense } from "../../kernels/matmul.ts";
import { rng } from "../../kernels/random.ts";
import { sum } from "../../kernels/reduce.ts";
import { reshape } from "../../kernels/reshape.ts";
import { valueAndGrad } from "../../src/autograd/vjp.ts";
import type { Denoiser } from "../../src/diffusion/denoiser.ts";
import { precondition } from "../../src/diffusion/precondition.ts";
import { ddpmTable } from "../../src/diffusion/schedules.ts";
import { type LinearOperator, linear } from "../../src/linalg/operator.ts";
import { admUnet } from "../../src/nets/adm_unet.ts";
import { type Discriminator, discriminator } from "../../src/nets/discriminator.ts";
import type { Params } from "../../src/nets/net.ts";
import { blur } from "../../src/physics/blur.ts";
import { inpaint } from "../../src/physics/mask.ts";
import { restore } from "../../src/solvers/solver.ts";
import { ud2m as sampler } from "../../src/solvers/ud2m.ts";
import { type UnfoldedOptions, ud2mRho, ud2mTime } from "../../src/solvers/unfolded.ts";
import { dispose, scope } from "../../src/tensor/scope.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { loraMerge } from "../../src/train/lora.ts";
import type { At } from "../../src/train/recipe.ts";
import { train, training } from "../../src/train/trainer.ts";
import { type Ud2mBatch, type Ud2mRecipeOptions, ud2m, ud2mJudgeLoss, ud2mLora } from "../../src/train/ud2m.ts";
import { loadUd2m, ud2mBytes } from "../../src/train/ud2m_file.ts";
import { parseSafetensors } from "../../src/weights/safetensors.ts";
import { expectClose } from "../lib/close.ts";
import { solve } from "../lib/dense.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals } from "../lib/random.ts";
import { seededParameter } from "../lib/seeded.ts";

withGpu();

const { sigma: SIGMA, alphaBar } = ddpmTable();
const shape = [2, 2, 2, 3] as const;
const [N, P] = [2, 12]; // pictures, and numbers in one
const NOISE = 0.2;

/** D(x; s) = g x + (1 - g) W2 tanh(W1 x), g = 1/(1 + s^2), pixel by pixel. */
const toy = (p: Params): Denoiser =>
  Object.assign(
    (x: Tensor, s: number) => {
      const g = 1 / (1 + s * s);
      const pixels = reshape(x, [-1, 3]);
      const out = dense(tanh(dense(pixels, p["l1.weight"] as Tensor)), p["l2.weight"] as Tensor);
      return lincomb(g, x, 1 - g, reshape(out, x.shape));
    },
    { sigmaMin: 0, sigmaMax: 200, channels: 3, multipleOf: 1 },
  ) as Denoiser;
const W1 = asF32(normals(12, 31).map((v) => 0.7 * v));
const W2 = asF32(normals(12, 32).map((v) => 0.7 * v));
const lora = { rank: 2, alpha: 1.5, match: /^l1$/, also: /^l2/ };
const A1 = "l1.parametrizations.weight.0.lora_A";
const B1 = "l1.parametrizations.weight.0.lora_B";
const ADAPTERS: Record<string, { shape: number[]; data: Float64Array }> = {
  [A1]: { shape: [4, 2], data: asF32(normals(8, 33)) },
  [B1]: { shape: [2, 3], data: asF32(normals(6, 34)) },
  "l2.weight": { shape: [3, 4], data: W2 },
};
const SCALARS = { LAMBDA: 0.3, TAUG: 0.0123, TLAT: -0.0037, SP: 0.2 };

/** score = sum of v_c x_c y_c + q_c x_c^2, of which everything is known. */
const critic: Discriminator = {
  name: "critic",
  parameters: { v: { shape: [3], init: 0 }, q: { shape: [3], init: 0 } },
  apply: (p, x, y) =>
    sum(lincomb(1, mul(mul(x, y), p.v as Tensor), 1, mul(square(x), p.q as Tensor)), { axes: [1, 2, 3] }),
};
const JUDGE = { v: asF32([0.4, -0.3, 0.2]), q: asF32([0.1, 0.25, -0.2]) };

const MASK = asF32([1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1]);
const MATRIX = asF32(normals(5 * P, 35).map((v) => 0.4 * v));
/** Rows of the operator's matrix, and the operator: a mask, or five sums of numbers, which has no prox of its own. */
const OPERATORS: Record<string, { rows: number[][]; make: () => LinearOperator; inpainting: boolean }> = {
  mask: {
    rows: Array.from({ length: P }, (_, i) => Array.from({ length: P }, (_, j) => (i === j ? (MASK[i] as number) : 0))),
    make: () => inpaint(tensor([2, 2, 3], MASK)),
    inpainting: true,
  },
  matrix: {
    rows: Array.from({ length: 5 }, (_, i) => [...MATRIX.subarray(P * i, P * (i + 1))]),
    make: () => {
      const M = tensor([5, P], MATRIX);
      const T = tensor(
        [P, 5],
        Float64Array.from({ length: 5 * P }, (_, k) => MATRIX[(k % 5) * P + Math.floor(k / 5)] as number),
      );
      return linear({
        name: "matrix",
        domain: [2, 2, 3],
        range: [5],
        holds: [M, T],
        apply: (x) => dense(reshape(x, [-1, P]), M),
        adjoint: (y) => reshape(dense(y, T), [-1, 2, 2, 3]),
      });
    },
    inpainting: false,
  },
};

interface Draws {
  t: number;
  xt: Float64Array;
  noises: Float64Array[];
}
type Numbers = Record<string, Float64Array>;

/** The loss in float64, by the printed formulas of the variance-preserving form. */
function reference(
  rows: readonly number[][],
  { x0, y, draws: { t, xt, noises } }: { x0: Float64Array; y: Float64Array; draws: Draws },
  p: Numbers,
  scalars: Partial<typeof SCALARS>,
  { modules = 2, mode, inpainting }: UnfoldedOptions,
  judged: boolean,
): number {
  const { LAMBDA = 0, TAUG = 0, TLAT = 0, SP = 0 } = scalars;
  const s = SIGMA[t] as number;
  const n = inpainting ? 13 * NOISE : NOISE;
  const rho0 = (n * s) / Math.sqrt(n * n + s * s);
  const delta = (Math.exp(SP) * rho0) ** 2;
  const variance = Math.exp(LAMBDA) * NOISE ** 2;
  const u = Math.min(999, Math.max(1, ud2mTime(rho0) + 1000 * TAUG + 1000 * TLAT));
  const j = Math.floor(u);
  const [low, high] = [alphaBar[j] as number, alphaBar[j + 1] as number];
  const a = low + (u - j) * (high - low);
  const m = rows.length;
  const W = Float64Array.from(W1, (w, k) => {
    const [o, i] = [Math.floor(k / 3), k % 3];
    let d = 0;
    for (let r = 0; r < 2; r++) d += (p[A1]?.[o * 2 + r] as number) * (p[B1]?.[r * 3 + i] as number);
    return w + 0.75 * d;
  });
  const D = (x: Float64Array, level: number) => {
    const g = 1 / (1 + level * level);
    return x.map((v, k) => {
      const [at, c] = [3 * Math.floor(k / 3), k % 3];
      let out = 0;
      for (let h = 0; h < 4; h++) {
        let sum = 0;
        for (let i = 0; i < 3; i++) sum += (W[h * 3 + i] as number) * (x[at + i] as number);
        out += (p["l2.weight"]?.[c * 4 + h] as number) * Math.tanh(sum);
      }
      return g * v + (1 - g) * out;
    });
  };
  let [loss, adversarial] = [0, 0];
  for (let b = 0; b < N; b++) {
    const of = (x: Float64Array, size = P) => x.subarray(size * b, size * (b + 1));
    const yb = of(y, m);
    const back = (v: ArrayLike<number>) =>
      Float64Array.from({ length: P }, (_, k) =>
        rows.reduce((sum, row, i) => sum + (row[k] as number) * (v[i] as number), 0),
      );
    const up = back(yb);
    let x = up;
    for (let k = 0; k < modules; k++) {
      const normal = Array.from({ length: P }, (_, i) =>
        Array.from(
          { length: P },
          (_, l) =>
            rows.reduce((sum, row) => sum + (row[i] as number) * (row[l] as number), 0) / variance +
            (i === l ? 1 / s ** 2 + 1 / delta : 0),
        ),
      );
      const side = Array.from(up, (v, i) => v / variance + (of(xt)[i] as number) / s ** 2 + (x[i] as number) / delta);
      const z = solve(normal, side);
      const noise = of(noises[k] as Float64Array);
      const zu = Float64Array.from(z, (v, i) => Math.sqrt(a) * v + Math.sqrt(1 - a) * (noise[i] as number));
      const level = SIGMA[j] as number;
      const guess = D(
        zu.map((v) => v / Math.sqrt(low)),
        level,
      );
      x = zu.map((v, i) => {
        const eps = (v / Math.sqrt(low) - (guess[i] as number)) / level;
        return (v - Math.sqrt(1 - a) * eps) / Math.sqrt(a);
      });
      if (mode === "repo" && inpainting && k < modules - 2) x = x.map((v, i) => (MASK[i] ? (yb[i] as number) : v));
    }
    const scale = mode === "paper" ? 1 : 1 / s ** 2;
    for (let i = 0; i < P; i++) loss += (scale * ((x[i] as number) - (of(x0)[i] as number)) ** 2) / (N * P);
    const held = mode === "repo" ? x.map((v) => Math.min(1, Math.max(-1, v))) : x;
    let score = 0;
    for (let i = 0; i < P; i++)
      score +=
        (JUDGE.v[i % 3] as number) * (held[i] as number) * (yb[i] as number) +
        (JUDGE.q[i % 3] as number) * (held[i] as number) ** 2;
    adversarial += Math.log1p(Math.exp(-score)) / N;
  }
  return loss + (judged ? 0.5 * adversarial : 0);
}

const place = (p: Numbers, name: string, k: number, h: number): Numbers => ({
  ...p,
  [name]: (p[name] as Float64Array).map((v, i) => v + (i === k ? h : 0)),
});

test.each<[string, "paper" | "repo", number]>([
  ["mask", "repo", 3],
  ["matrix", "repo", 2],
  ["matrix", "paper", 2],
])(
  "the loss and its gradient in adapters and scalars, against float64: %s, %s, K = %i",
  async (name, mode, modules) => {
    const { rows, make, inpainting } = OPERATORS[name] as (typeof OPERATORS)["mask"];
    const judged = inpainting;
    const m = rows.length;
    const x0 = asF32(normals(N * P, 36).map((v) => 0.5 * v));
    const y = asF32(normals(N * m, 37).map((v) => 0.5 * v)).map((v, i) => (inpainting && !MASK[i % P] ? 0 : v));
    const model: UnfoldedOptions = { mode, modules, inpainting, start: "adjoint" };
    const at = (): Omit<At, "judge"> => ({ step: 0, random: rng(41), scalars: mode === "repo" ? SCALARS : {} });

    const learnt =
      mode === "repo" ? (["LAMBDA", "TAUG", "TLAT", ...(inpainting ? ["SP"] : [])] as (keyof typeof SCALARS)[]) : [];
    const out = await evaluate(() => {
      const A = make();
      const base = { "l1.weight": tensor([4, 3], W1), "l2.weight": tensor([3, 4], W2) };
      const recipe = ud2m({
        ...{ ...model, base, denoiser: toy, lora, sigmaNoise: NOISE },
        ...(judged && { judge: critic, weights: { adversarial: 0.5 } }),
        pictures: async () => tensor(shape, x0),
        operator: () => A,
      });
      expect(Object.keys(recipe.scalars ?? {})).toEqual(learnt);
      const batch = {
        x0: tensor(shape, x0),
        seen: { A, y: tensor([N, ...A.range], y), sigmaNoise: NOISE },
      } as unknown as Ud2mBatch;
      const adapters = Object.fromEntries(Object.entries(ADAPTERS).map(([k, v]) => [k, tensor(v.shape, v.data)]));
      // what the tensors of the scalars hold is not asked
      const numbers = Object.fromEntries(learnt.map((k) => [k, tensor([1], [Number.NaN])]));
      const judge = Object.fromEntries(Object.entries(JUDGE).map(([k, v]) => [k, tensor([3], v)]));
      const { value, grad } = valueAndGrad((p: Record<string, Tensor>) => recipe.loss(p, batch, { ...at(), judge }))({
        ...adapters,
        ...numbers,
      });
      const twin = at().random;
      const t = twin.integer(1, 999);
      const noises = Array.from({ length: modules + 1 }, () => twin.normal(shape));
      return { value, grad, noises, t };
    });
    const [first, ...noises] = out.noises.map((z) => Float64Array.from(z)) as [Float64Array, ...Float64Array[]];
    const t = out.t as unknown as number;
    const xt = x0.map((v, i) => v + (SIGMA[t] as number) * (first[i] as number));
    const given = { x0, y, draws: { t, xt, noises } };
    const p: Numbers = Object.fromEntries(Object.entries(ADAPTERS).map(([k, v]) => [k, v.data]));
    const f = (q: Numbers, scalars: Partial<typeof SCALARS>) => reference(rows, given, q, scalars, model, judged);
    const scalars = mode === "repo" ? Object.fromEntries(learnt.map((k) => [k, SCALARS[k]])) : {};
    const errors = [`loss ${expectClose(out.value, [f(p, scalars)], { l2: 2e-5 }).toExponential(1)}`];
    for (const [k, v] of Object.entries(ADAPTERS)) {
      const want = v.data.map((_, i) => (f(place(p, k, i, 1e-5), scalars) - f(place(p, k, i, -1e-5), scalars)) / 2e-5);
      errors.push(`${k} ${expectClose(out.grad[k] as Float32Array, want, { l2: 2e-4 }).toExponential(1)}`);
    }
    for (const k of learnt) {
      const h = 1e-6;
      const want = (f(p, { ...scalars, [k]: SCALARS[k] + h }) - f(p, { ...scalars, [k]: SCALARS[k] - h })) / (2 * h);
      expect(Math.abs(want)).toBeGreaterThan(1e-5);
      errors.push(`${k} ${expectClose(out.grad[k] as Float32Array, [want], { l2: 1e-3 }).toExponential(1)}`);
    }
    console.log(`t ${t}, rho ${ud2mRho(SIGMA[t] as number, NOISE, inpainting).toFixed(3)}: ${errors.join(", ")}`);
  },
);

test("the judge's loss, with the penalty on its gradient, against float64", async () => {
  const [real, fake, y] = [51, 52, 53].map((seed) => asF32(normals(N * P, seed))) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  const u = asF32([0.3, 0.8]);
  const f = ({ v, q }: Numbers): number => {
    let loss = 0;
    for (let n = 0; n < N; n++) {
      const score = (x: (k: number) => number) => {
        let s = 0;
        for (let k = n * P; k < (n + 1) * P; k++)
          s += (v?.[k % 3] as number) * x(k) * (y[k] as number) + (q?.[k % 3] as number) * x(k) ** 2;
        return s;
      };
      loss += (0.5 * Math.log1p(Math.exp(-score((k) => real[k] as number)))) / N;
      loss += (0.5 * Math.log1p(Math.exp(score((k) => fake[k] as number)))) / N;
      for (let k = n * P; k < (n + 1) * P; k++) {
        const x = (u[n] as number) * (real[k] as number) + (1 - (u[n] as number)) * (fake[k] as number);
        loss += (0.1 * ((v?.[k % 3] as number) * (y[k] as number) + 2 * (q?.[k % 3] as number) * x) ** 2) / N;
      }
    }
    return loss;
  };
  const out = await evaluate(() => {
    const params = Object.fromEntries(Object.entries(JUDGE).map(([k, v]) => [k, tensor([3], v)]));
    const given = {
      real: tensor(shape, real),
      fake: tensor(shape, fake),
      y: tensor(shape, y),
      u: tensor([N, 1, 1, 1], u),
    };
    return valueAndGrad((p: Record<string, Tensor>) => ud2mJudgeLoss(critic, p, given, 0.1))(params);
  });
  const errors = [expectClose(out.value, [f(JUDGE)], { l2: 1e-5 })];
  for (const k of ["v", "q"] as const) {
    const want = JUDGE[k].map((_, i) => (f(place(JUDGE, k, i, 1e-5)) - f(place(JUDGE, k, i, -1e-5))) / 2e-5);
    errors.push(expectClose(out.grad[k] as Float32Array, want, { l2: 1e-5 }));
  }
  console.log(`loss, v, q: ${errors.map((e) => e.toExponential(1)).join(", ")}`);
});

test("RAM gives the start, and is moved a tenth as far: its gradient is a tenth of that in its weights", async () => {
  const x0 = asF32(normals(N * P, 61).map((v) => 0.5 * v));
  const out = await evaluate(() => {
    const A = inpaint(tensor([2, 2, 3], MASK));
    const base = { "l1.weight": tensor([4, 3], W1), "l2.weight": tensor([3, 4], W2) };
    const recipe = (gain: Tensor) =>
      ud2m({
        ...{ base, denoiser: toy, lora, sigmaNoise: NOISE, mode: "paper", modules: 1, start: "model" },
        ram: {
          params: { gain },
          model: (q) => (v, B) => mul((B as LinearOperator).adjoint(v), q.gain as Tensor),
        },
        pictures: async () => tensor(shape, x0),
        operator: () => A,
      });
    const pictures = tensor(shape, x0);
    const batch = { x0: pictures, seen: { A, y: A.apply(pictures), sigmaNoise: NOISE } } as unknown as Ud2mBatch;
    const half = () => tensor([1], [0.5]);
    const { tree, chunks } = recipe(half()).init(rng(1));
    const { "ram.gain": added, ...adapters } = tree;
    const loss = (gain: Tensor, phi: Tensor) =>
      recipe(gain).loss({ ...adapters, "ram.gain": phi }, batch, { step: 0, random: rng(3), scalars: {} });
    const of = (f: (t: Tensor) => Tensor) => (t: Tensor) => valueAndGrad(f)(t).grad;
    return {
      added: lincomb(1, added as Tensor),
      byGain: of((g) => loss(g, added as Tensor))(half()),
      byPhi: of((phi) => loss(half(), phi))(added as Tensor),
      // twice the gain, once by what was trained
      equal: [loss(tensor([1], [1]), added as Tensor), loss(half(), tensor([1], [5]))],
      held: [chunks, tree].length,
    };
  });
  expect([...out.added]).toEqual([0]);
  expect(Math.abs(out.byGain[0] as number)).toBeGreaterThan(1e-3);
  expectClose(out.byPhi, [0.1 * (out.byGain[0] as number)], { l2: 1e-5 });
  expectClose(out.equal[0] as Float32Array, out.equal[1] as Float32Array, { l2: 1e-6 });
});

const picture = (seed: number) => rng(seed).normal([2, 8, 8, 3]);
const net = admUnet({ resolution: 8, channels: 32, multipliers: [1], blocks: 1, attention: [8], heads: 2 });
const prior = (p: Params) =>
  precondition.edm((x, t) =>
    net.apply(
      p,
      x,
      t.map((v) => 1000 * v),
    ),
  );

/** Smooth pictures of one sample each, from a seed. */
async function smooth(seed: number): Promise<Tensor> {
  return scope(() => {
    const A = blur([8, 8, 3], { gaussian: 1.5 });
    return lincomb(3, A.apply(picture(seed)));
  });
}

const small = (base: Params, change: Partial<Ud2mRecipeOptions> = {}): Ud2mRecipeOptions => ({
  ...{ base, denoiser: prior, sigmaNoise: 0.1, modules: 2 },
  lora: { rank: 2, match: /(qkv|proj_out)$/, also: /^out\./ },
  pictures: (random) => smooth(random.integer(0, 1000)),
  operator: (shape) => blur(shape, { gaussian: 1 }),
  ...change,
});

test("twenty turns of model and judge lower both losses, move the scalars, and leave the base as it was", async () => {
  const base = { "l1.weight": tensor([4, 3], W1), "l2.weight": tensor([3, 4], W2) };
  const judge = discriminator({ size: 8, stem: 8, layers: 1 });
  const recipe = ud2m(
    small(base, { denoiser: loud, lora, judge, judgeRate: 0.05, mode: "repo", weights: { adversarial: 0.01 } }),
  );
  const run = training(recipe, { seed: 3 });
  const schedule = { lr: 0.04, lrEnd: 0.04, warmup: 0, steps: 40 };
  const first = await evaluated(recipe, run.optimiser.params.tree, run.judge?.params.tree as Params);
  const reports = [];
  for await (const report of train(run, { schedule, every: 10 })) reports.push(report);
  const last = await evaluated(recipe, run.optimiser.params.tree, run.judge?.params.tree as Params);
  const told = reports.map((r) => `${r.loss.toFixed(3)} judge ${r.judgeLoss?.toFixed(3)}`);
  console.log(`on the same batches: ${first.toFixed(4)} -> ${last.toFixed(4)}; ${told.join(", ")}`);
  expect(last).toBeLessThan(0.8 * first);
  expect(reports.at(-1)?.judgeLoss).toBeLessThan(reports[0]?.judgeLoss as number);
  expect(Object.values(run.scalars.values).every((v) => v !== 0 && Math.abs(v) < 1)).toBe(true);
  expect([...(await base["l1.weight"].read())]).toEqual([...W1]);
  run[Symbol.dispose]();
  dispose(base);
});

/** Adds 0.3 W2 tanh(W1 x) at every level: noise, until W2 is unlearnt. */
const loud = (p: Params): Denoiser =>
  Object.assign((x: Tensor) => lincomb(0.3, toy(p)(x, 1e9), 1, x), { ...toy(p) }) as Denoiser;

/** The mean loss of some batches that are always the same. */
async function evaluated(recipe: ReturnType<typeof ud2m>, params: Params, judge: Params): Promise<number> {
  let sum = 0;
  for (let k = 0; k < 4; k++) {
    const batch = await recipe.batch(rng(100 + k));
    const numbers = Object.fromEntries(Object.keys(recipe.scalars ?? {}).map((name) => [name, tensor([1], [0])]));
    const value = scope(() =>
      recipe.loss({ ...params, ...numbers }, batch, {
        step: 0,
        random: rng(200 + k),
        scalars: recipe.scalars ?? {},
        judge,
      }),
    );
    sum += (await value.read())[0] as number;
    dispose([value, batch, numbers]);
  }
  return sum / 4;
}

test("saved and read back: the same samples, without the base in the file; a sheet of pictures", async () => {
  // nothing at 0, or the adapters would change nothing
  const base = Object.fromEntries(
    Object.entries(net.parameters).map(([k, v]) => [k, tensor(v.shape, seededParameter(k, [...v.shape]))]),
  );
  const options = small(base, { mode: "repo" });
  const recipe = ud2m(options);
  const { tree: trained, chunks: own } = recipe.init(rng(5));
  const scalars = { LAMBDA: 0.25, TAUG: 0.0121, TLAT: 1 / 3000 };
  const numbers = Object.fromEntries(Object.entries(scalars).map(([k, v]) => [k, tensor([1], [v])]));
  const bytes = await ud2mBytes({ ...trained, ...numbers }, scalars, {
    lora: { rank: 2, alpha: 1.5, init: "ud2m", match: /./ },
    sampling: { modules: 2, steps: 3, mode: "repo" },
  });
  const file = parseSafetensors(bytes);
  expect(file.names).toEqual(
    expect.arrayContaining(["out.2.weight", "TAUG", "middle_block.1.qkv.parametrizations.weight.0.lora_A"]),
  );
  expect(file.names).not.toContain("middle_block.1.qkv.weight");
  const back = loadUd2m(base, file);
  expect(back.solver).toEqual({ modules: 2, steps: 3, mode: "repo", scalars });
  const { x0, seen } = await recipe.batch(rng(6));
  const sample = async (p: Params, solver: Parameters<typeof sampler>[0]) => {
    const x = await restore({ ...seen, denoiser: prior(p) }, sampler(solver), { seed: 7 });
    const got = await x.read();
    x.dispose();
    return [...got];
  };
  const merged = scope(() => back.merge());
  const got = await sample(merged, back.solver);
  expect(got.every(Number.isFinite)).toBe(true);
  expect(await sample(base, back.solver)).not.toEqual(got); // both factors are drawn: not the base even at first
  const direct = scope(() => loraMerge(base, ud2mLora(options.lora))(trained));
  expect(await sample(direct, { ...back.solver, scalars })).toEqual(got);
  const sheet = await recipe.sheet?.(trained, { step: 0, random: rng(6), scalars });
  expect(sheet?.map(({ label, pictures }) => [label, pictures.length])).toEqual([
    ["pictures", 2],
    ["measured", 2],
    ["sampled", 2],
  ]);
  const fromBase = new Set(Object.values(base));
  dispose([
    [merged, direct].flatMap((p) => Object.values(p).filter((t) => !fromBase.has(t))),
    numbers,
    x0,
    seen,
    trained,
    own,
  ]);
  back[Symbol.dispose]();
  const other = parseSafetensors(await ud2mBytes({}, {}, { lora: { rank: 1, match: /./ } }));
  expect(() => loadUd2m(base, other)).toThrow("expected tensors named");
  dispose(base);
});
