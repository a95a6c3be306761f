import { expect, test } from "vitest";
import { add, mul } from "../../kernels/broadcast.ts";
import { tanh } from "../../kernels/elementwise.ts";
import { rng } from "../../kernels/random.ts";
import { asReal, reshape } from "../../kernels/reshape.ts";
import { valueAndGrad } from "../../src/autograd/vjp.ts";
import { precondition } from "../../src/diffusion/precondition.ts";
import { karras, vpTime } from "../../src/diffusion/schedules.ts";
import { white } from "../../src/linalg/dot_test.ts";
import { type LinearOperator, linear } from "../../src/linalg/operator.ts";
import { dhariwalUnet } from "../../src/nets/dhariwal_unet.ts";
import { initParams, type Net } from "../../src/nets/net.ts";
import { conditioned } from "../../src/nets/posterior_net.ts";
import { type UnfoldingConfig, unfolding } from "../../src/nets/unfolding.ts";
import { blur } from "../../src/physics/blur.ts";
import { dispose, scope } from "../../src/tensor/scope.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { cedm, cedmLoss } from "../../src/train/cedm.ts";
import { degraded, dust, gaussianBlur, oneOf, publishedDegradations } from "../../src/train/degradations.ts";
import { diffUnfolding, drawLevels, unfoldingLoss } from "../../src/train/diff_unfolding.ts";
import { adam } from "../../src/train/optimiser.ts";
import type { Recipe } from "../../src/train/recipe.ts";
import { expectClose } from "../lib/close.ts";
import { dense } from "../lib/dense.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals } from "../lib/random.ts";

withGpu();

const [N, K, HIDDEN] = [3, 2, 4];
/** F = tanh(a x + b c_noise + c), a network that doubles can follow. */
const pointwise = (channels: number): Net => ({
  name: "pointwise",
  inChannels: channels,
  outChannels: channels,
  multipleOf: 1,
  parameters: Object.fromEntries(["a", "b", "c"].map((n) => [n, { shape: [channels], init: 0 }])),
  apply: (p, x, t) => {
    const label = tensor([N, 1, 1, 1], t as number[]);
    const w = (n: string) => reshape(p[n] as Tensor, [1, 1, 1, channels]);
    return tanh(add(add(mul(w("a"), x), mul(w("b"), label)), w("c")));
  },
});

/** A matrix of m rows as an operator on pictures [2, 3, C]. */
function onPictures(rows: ArrayLike<number>, m: number, C: number, type: "f32" | "c64"): LinearOperator {
  const D = dense(m, 6 * C, rows, type);
  return linear({
    ...D,
    domain: [2, 3, C],
    norm: 1.7,
    apply: (x) => D.apply(reshape(x, [-1, 6 * C])),
    adjoint: (y) => reshape(D.adjoint(y), [-1, 2, 3, C]),
  });
}

/** Rows of a complex matrix, interleaved, as those of the real one that acts on interleaved pairs. */
const asPairs = (rows: Float64Array, n: number, m: number): number[][] =>
  Array.from({ length: 2 * m }, (_, i) =>
    Array.from({ length: 2 * n }, (_, j) => {
      const [re, im] = [0, 1].map((k) => rows[2 * ((i >> 1) * n + (j >> 1)) + k] as number) as [number, number];
      return i % 2 === j % 2 ? re : i % 2 ? im : -im;
    }),
  );

const forms = {
  edm: {
    skip: (s: number) => 0.25 / (s * s + 0.25),
    out: (s: number) => (s * 0.5) / Math.hypot(s, 0.5),
    in: (s: number) => 1 / Math.hypot(s, 0.5),
    noise: (s: number) => Math.log(s) / 4,
  },
  vp: {
    skip: () => 1,
    out: (s: number) => -s,
    in: (s: number) => 1 / Math.hypot(s, 1),
    noise: (s: number) => 999 * vpTime(s),
  },
};
const softplus = (v: number) => Math.log1p(Math.exp(v));
const sigmoid = (v: number) => 1 / (1 + Math.exp(-v));

test.each<[string, Partial<UnfoldingConfig> & { form?: keyof typeof forms; type?: "f32" | "c64" }]>([
  ["a theta for each step", {}],
  ["one theta for all, run again for the gradient", { tied: true, checkpoint: true }],
  ["complex pictures and measurements", { type: "c64" }],
  ["of unit norm, preconditioned as VP", { unitNorm: true, form: "vp" }],
])(
  "the gradient of the loss is that of doubles in every parameter: %s",
  async (_, { form = "edm", type = "f32", ...config }) => {
    const complex = type === "c64";
    const [C, m] = [complex ? 1 : 2, complex ? 4 : 7];
    const channels = 2; // reals, either way
    const [n, reals] = [6 * C, complex ? 2 : 1];
    const model = unfolding({
      net: pointwise(channels),
      wrap: precondition[form],
      iterations: K,
      hidden: HIDDEN,
      ...config,
    });
    const rows = asF32(normals(n * m * reals, 1).map((v) => 0.4 * v));
    const [x0, y0] = [
      asF32(normals(N * n * reals, 2).map((v) => 0.5 * v)),
      asF32(normals(N * m * reals, 3).map((v) => 0.5 * v)),
    ];
    const names = Object.keys(model.parameters);
    const values: Record<string, Float64Array> = Object.fromEntries(
      names.map((name, i) => {
        const size = model.parameters[name]!.shape.reduce((a, b) => a * b, 1);
        // labels of VP reach 999
        const scale = /theta.*b$/.test(name) && form === "vp" ? 1e-3 : 0.4;
        return [name, asF32(normals(size, 10 + i).map((v) => scale * v))];
      }),
    );

    const out = await evaluate(() => {
      const A = onPictures(rows, m, C, type);
      const params = Object.fromEntries(
        names.map((name) => [name, tensor(model.parameters[name]!.shape, values[name]!)]),
      );
      const batch = { x: tensor([N, 2, 3, C], x0, type), y: tensor([N, m], y0, type), A };
      const twin = rng(9);
      const levels = drawLevels(N, twin);
      const z = white(twin, [N, 2, 3, C], type);
      return {
        ...valueAndGrad((p: typeof params) => unfoldingLoss(model, p, batch, rng(9)))(params),
        z: complex ? asReal(z) : z,
        levels: tensor([N], levels),
      };
    });

    const M = complex
      ? asPairs(rows, n, m)
      : Array.from({ length: m }, (_, i) => [...rows.subarray(i * n, (i + 1) * n)]);
    const scaled = config.unitNorm ? 1 / 1.7 : 1;
    const [cols, lines] = [n * reals, m * reals];
    const f = forms[form];
    const loss = (p: Record<string, Float64Array>): number => {
      const two = (at: string, input: number[]) => {
        const [w0, b0, w2, b2] = ["0.weight", "0.bias", "2.weight", "2.bias"].map(
          (k) => p[`${at}.${k}`]!,
        ) as Float64Array[] & { 0: Float64Array; 1: Float64Array; 2: Float64Array; 3: Float64Array };
        let sum = b2[0]!;
        for (let h = 0; h < HIDDEN; h++) {
          const v = b0[h]! + input.reduce((s, u, i) => s + w0[h * input.length + i]! * u, 0);
          sum += w2[h]! * v * sigmoid(v);
        }
        return sum;
      };
      let total = 0;
      for (let s = 0; s < N; s++) {
        const level = out.levels[s]!;
        const truth = x0.subarray(s * cols, (s + 1) * cols);
        let x = Array.from(truth, (v, i) => v + level * out.z[s * cols + i]!);
        for (let k = 0; k < K; k++) {
          const input = [Math.log(level) / 4, ...Array.from({ length: K }, (_, i) => (i === k ? 1 : 0))];
          const [gamma, tau] = [softplus(two("f_gamma", input)), softplus(two("f_tau", input))];
          const misfit = M.map(
            (row, i) => scaled * (row.reduce((sum, v, j) => sum + v * x[j]!, 0) - y0[s * lines + i]!),
          );
          const theta = (name: string) => p[config.tied ? `theta.${name}` : `theta.${k}.${name}`]!;
          x = x.map((v, j) => {
            const c = j % channels;
            const R =
              f.skip(level) * v +
              f.out(level) *
                Math.tanh(theta("a")[c]! * f.in(level) * v + theta("b")[c]! * f.noise(level) + theta("c")[c]!);
            const slope = scaled * M.reduce((sum, row, i) => sum + row[j]! * misfit[i]!, 0);
            return v - gamma * (slope + tau * (v - R));
          });
        }
        const error = x.reduce((sum, v, j) => sum + (v - truth[j]!) ** 2, 0) / cols;
        const u = Math.log((level * 0.5) ** 2 / (level ** 2 + 0.25)) + two("f_u", [Math.log(level) / 4]);
        total += (Math.exp(-u) * error + u) / N;
      }
      return total;
    };

    expectClose(out.value, [loss(values)], { l2: 1e-4 });
    for (const name of names) {
      const want = values[name]!.map((v, i) => {
        const moved = (d: number) => loss({ ...values, [name]: values[name]!.with(i, v + d) });
        return (moved(1e-5) - moved(-1e-5)) / 2e-5;
      });
      expectClose(out.grad[name]!, want, { l2: 3e-4 });
    }
  },
);

test("levels are drawn from the grid that is given, its end left out", () => {
  const grid = karras(6, { sigmaMin: 0.002, sigmaMax: 80 });
  const drawn = drawLevels(200, rng(1), { grid });
  expect([...new Set(drawn)].sort((a, b) => b - a)).toEqual(grid.slice(0, -1));
});

/** Smooth pictures: white noise through a blur. */
const pictures = async (random: ReturnType<typeof rng>) =>
  scope(() => {
    const B = blur([8, 8, 1], { gaussian: 1 });
    const x = B.apply(random.normal([8, 8, 8, 1]));
    dispose(B.holds);
    return mul(x, tensor([], [2]));
  });
const small = (inChannels: number) =>
  dhariwalUnet({
    resolution: 8,
    inChannels,
    outChannels: 1,
    channels: 8,
    multipliers: [1, 2],
    embMultiplier: 2,
    blocks: 1,
    attention: [],
  });

async function trained<B extends object>(
  recipe: Recipe<never>,
  steps: number,
  measure: (params: Record<string, Tensor>, batch: B) => Tensor,
) {
  const mine = recipe as unknown as Recipe<{ x: Tensor }>;
  const optimiser = adam(mine.init(rng(1)));
  const fixed = await mine.batch(rng(99));
  const now = async () => (await evaluate(() => measure(optimiser.params.tree, fixed as unknown as B)))[0] as number;
  const before = await now();
  for (let step = 0; step < steps; step++) {
    const batch = await mine.batch(rng(2).fork(step));
    scope(() => {
      const at = { step, random: rng(3).fork(step), scalars: {} };
      const { grad } = valueAndGrad((p: Record<string, Tensor>) => mine.loss(p, batch, at))(optimiser.params.tree);
      optimiser.step(grad, { step, lr: 3e-3, emaDecay: 0 });
    });
    dispose(batch);
  }
  const after = await now();
  dispose(fixed);
  optimiser.dispose();
  return [before, after] as const;
}

test("some tens of steps lower the loss, on operators drawn at random", async () => {
  const model = unfolding({ net: small(1), wrap: precondition.edm, iterations: 2, hidden: 16 });
  const recipe = diffUnfolding({ model, pictures, operator: oneOf(gaussianBlur(), dust({ grain: 1 })) });
  const [before, after] = await trained(recipe as never, 30, (p, batch) =>
    unfoldingLoss(model, p, batch as never, rng(7)),
  );
  console.log(`diff-unfolding: loss ${before} -> ${after}`);
  expect(after).toBeLessThan(before - 0.3);
});

test("so does conditional EDM on one operator; its network sees what was measured", async () => {
  const model = conditioned(small(2), precondition.edm);
  const recipe = cedm({ model, pictures, operator: dust({ grain: 1, missing: [0.4] }) });
  const [before, after] = await trained(recipe as never, 30, (p, batch) => cedmLoss(model, p, batch as never, rng(7)));
  console.log(`cedm: loss ${before} -> ${after}`);
  expect(after).toBeLessThan(0.8 * before);
  const params = initParams(model, rng(1));
  const made = await degraded({ pictures, operator: gaussianBlur() }, rng(5));
  // fresh last layers are zero; any weights will do
  const got = await evaluate(() => {
    const moved = Object.fromEntries(
      Object.entries(params.tree).map(([n, t]) => [n, add(t, mul(rng(8).normal(t.shape), tensor([], [0.1])))]),
    );
    const { x, y, A } = made;
    const D = (seen: Tensor) => model.apply(moved, x, seen, A, 0.5);
    return { one: D(y), other: D(x) };
  });
  expect(Math.max(...got.one.map((v, i) => Math.abs(v - got.other[i]!)))).toBeGreaterThan(1e-3);
  dispose([params.chunks, params.tree, made]);
});

test("the published operators come in all kinds, each of unit norm or less", async () => {
  const seen = new Set<string>();
  for (let i = 0; i < 30; i++) {
    const A = scope(() => publishedDegradations([32, 32, 3], rng(i)));
    seen.add(`${A.name} ${A.range}`);
    expect(A.norm).toBeLessThanOrEqual(1 + 1e-6);
    dispose(A.holds);
  }
  expect([...seen].sort()).toEqual([
    "blur 32,32,3",
    "inpaint 32,32,3",
    "superResolution 2,2,3",
    "superResolution 4,4,3",
    "superResolution 8,8,3",
  ]);
});
