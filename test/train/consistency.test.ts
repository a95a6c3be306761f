import { expect, test } from "vitest";
import { add, mul } from "../../kernels/broadcast.ts";
import { linear } from "../../kernels/matmul.ts";
import { rng } from "../../kernels/random.ts";
import { reshape } from "../../kernels/reshape.ts";
import { valueAndGrad } from "../../src/autograd/vjp.ts";
import type { Denoiser } from "../../src/diffusion/denoiser.ts";
import { gaussian } from "../../src/diffusion/gaussian.ts";
import { precondition } from "../../src/diffusion/precondition.ts";
import { initParams, type Params, type Specs } from "../../src/nets/net.ts";
import { scope } from "../../src/tensor/scope.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import {
  type ConsistencyLossOptions,
  consistencyDistillation,
  consistencyGrid,
  consistencyLoss,
  odeStep,
} from "../../src/train/consistency.ts";
import { pseudoHuber, squaredError } from "../../src/train/distance.ts";
import { adam } from "../../src/train/optimiser.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals } from "../lib/random.ts";

withGpu();

const [c, sd, low] = [0.16, 0.5, 0.002];
const [N, H, W, C] = [4, 5, 4, 3];
const n = N * H * W * C;
const images = asF32(normals(n, 1).map((v) => 0.4 * v));
const slow = asF32([0.3, -0.2, 0.5]);
const now = asF32([0.7, -0.3, 1.1]);
const shift = asF32([0.2, 0.05, -0.4]);

/** f around F(x, l) = a x + b l/250, per channel. */
const student = ({ a, b }: Params): Denoiser =>
  precondition.consistency(
    (x, l) =>
      add(
        mul(x, a as Tensor),
        mul(
          tensor(
            [l.length, 1, 1, 1],
            l.map((v) => v / 250),
          ),
          b as Tensor,
        ),
      ),
    { sigmaData: sd },
  );
const of = (s: number) => ({
  skip: sd ** 2 / ((s - low) ** 2 + sd ** 2),
  out: ((s - low) * sd) / Math.sqrt(s ** 2 + sd ** 2),
  in: 1 / Math.sqrt(s ** 2 + sd ** 2),
});
const gain = (s: number) => c / (c + s * s);
const heun = (x: number, s: number, t: number) => {
  const d = (x - gain(s) * x) / s;
  const euler = x + (t - s) * d;
  return x + ((t - s) / 2) * (d + (euler - gain(t) * euler) / t);
};

/** Its loss and gradient in doubles, given what was drawn. */
function reference(picks: number[], z: ArrayLike<number>, { huber, taught }: { huber?: boolean; taught: boolean }) {
  const grid = consistencyGrid({ sigmaMin: low, sigmaMax: 80 });
  const f = (x: number, s: number, a: number, b: number) =>
    of(s).skip * x + of(s).out * (a * of(s).in * x + b * Math.log(s));
  const size = n / N;
  const k = 0.00054 * Math.sqrt(size);
  let loss = 0;
  const [da, db] = [new Float64Array(C), new Float64Array(C)];
  for (let m = 0; m < N; m++) {
    const [s, t] = [grid[picks[m] as number] as number, grid[(picks[m] as number) + 1] as number];
    const w = huber ? 1 / (s - t) : 1;
    const terms = Array.from({ length: size }, (_, j) => {
      const [i, ch] = [m * size + j, j % C];
      const x0 = images[i] as number;
      const x = x0 + s * (z[i] as number);
      const next = taught ? heun(x, s, t) : x0 + t * (z[i] as number);
      const goal = f(next, t, slow[ch] as number, shift[ch] as number);
      return { x, ch, e: f(x, s, now[ch] as number, shift[ch] as number) - goal };
    });
    const squares = terms.reduce((sum, { e }) => sum + e * e, 0);
    const d = huber ? Math.sqrt(squares + k * k) - k : squares / size;
    const slope = huber ? 1 / Math.sqrt(squares + k * k) : 2 / size;
    loss += (w * d) / N;
    for (const { x, ch, e } of terms) {
      da[ch] = (da[ch] as number) + (w / N) * slope * e * of(s).out * of(s).in * x;
      db[ch] = (db[ch] as number) + (w / N) * slope * e * of(s).out * Math.log(s);
    }
  }
  return { loss, da, db };
}

test.each([
  ["with a teacher, Heun, squares", { taught: true }],
  ["without one, pseudo-Huber, weighted", { taught: false, huber: true }],
])(
  "%s: the loss and its gradient, the target a constant",
  async (_, { taught, huber = false }: { taught: boolean; huber?: boolean }) => {
    const twin = rng(9);
    const picks = Array.from({ length: N }, () => twin.integer(0, 38));
    const options: ConsistencyLossOptions = {
      ...(taught && { teacher: gaussian({ variance: c, channels: C }) }),
      ...(huber && { distance: pseudoHuber(), weight: (s, t) => 1 / (s - t) }),
    };
    const out = await evaluate(() => {
      const x0 = tensor([N, H, W, C], images);
      const average = { a: tensor([C], slow), b: tensor([C], shift) };
      const params = { a: tensor([C], now), b: tensor([C], shift) };
      const loss = (p: typeof params) => consistencyLoss(student(p), student(average), x0, rng(9), options);
      // from itself: the value of a target that follows, the gradient of one that does not
      const itself = (p: typeof params) => consistencyLoss(student(p), student(p), x0, rng(9), options);
      const copy = (p: typeof params) => consistencyLoss(student(p), student(params), x0, rng(9), options);
      const other = { a: tensor([C], now), b: tensor([C], shift) };
      return {
        ...valueAndGrad(loss)(params),
        itself: valueAndGrad(itself)(params).grad,
        copy: valueAndGrad(copy)(other).grad,
        z: twin.normal(x0.shape),
      };
    });
    const want = reference(picks, out.z, { taught, huber });
    expectClose(out.value, [want.loss], { l2: 2e-5 });
    expectClose(out.grad.a, want.da, { l2: 2e-5 });
    expectClose(out.grad.b, want.db, { l2: 2e-5 });
    expect(want.da.every((v) => Math.abs(v) > 1e-3)).toBe(true);
    expectClose(out.itself.a, out.copy.a, { l2: 1e-6 });
    expectClose(out.itself.b, out.copy.b, { l2: 1e-6 });
  },
);

test("along Heun's steps of the 40 levels a Gaussian comes to where the consistency function says, to 1.5 %", async () => {
  const levels = consistencyGrid({ sigmaMin: low, sigmaMax: 80 });
  expect([levels.length, levels[0], levels[39]]).toEqual([40, 80, low]);
  expect(Number((levels[17] as number).toPrecision(4))).toBe(4.366);
  const [got] = await evaluate(() => {
    let x = tensor([1, 1, 1, 1], [80]);
    for (let i = 0; i < 39; i++)
      x = odeStep(gaussian({ variance: c }), x, [levels[i] as number], [levels[i + 1] as number]);
    return [x];
  });
  const exact = 80 * Math.sqrt((c + low ** 2) / (c + 80 ** 2));
  expect(Math.abs((got?.[0] as number) / exact - 1)).toBeLessThan(0.015);
});

/** F(x, l) = x g(l), g a smooth curve through learned values at 16 levels: what a Gaussian's consistency function needs. */
const knots = Array.from({ length: 16 }, (_, k) => Math.log(low) + (k * Math.log(80 / low)) / 15);
const specs: Specs = { values: { shape: [1, 16], init: 0 } };
const bumps = (l: number) => {
  const at = knots.map((k) => Math.exp(-((l - k) ** 2) / 2 / 0.5));
  const all = at.reduce((a, b) => a + b);
  return at.map((v) => v / all);
};
const tiny = (p: Params): Denoiser =>
  precondition.consistency(
    (x, l) => {
      const near = tensor(
        [l.length, 16],
        l.flatMap((v) => bumps(v / 250)),
      );
      return mul(x, reshape(linear(near, p.values as Tensor), [l.length, 1, 1, 1]));
    },
    { channels: 1, sigmaData: Math.sqrt(c) },
  );

test.each([
  ["distilled from the exact denoiser", true, 0.05],
  ["without a teacher", false, 0.12],
])("%s, sixteen numbers come near the consistency function of N(0, c)", async (_, taught, bound) => {
  const batch = async (random: ReturnType<typeof rng>) =>
    scope(() => mul(random.normal([64, 2, 2, 1]), tensor([], [Math.sqrt(c)])));
  const recipe = consistencyDistillation({
    f: tiny,
    init: (random) => initParams({ parameters: specs }, random),
    batch,
    ...(taught && { teacher: gaussian({ variance: c }) }),
  });
  const optimiser = adam(recipe.init(rng(3)), { beta2: 0.99 });
  const levels = [80, 20, 5, 1, 0.3, 0.05];
  const errors = async () => {
    const got = await evaluate(() =>
      tiny(optimiser.ema.tree)(
        tensor(
          [levels.length, 1, 1, 1],
          levels.map((s) => Math.sqrt(c + s * s)),
        ),
        levels,
      ),
    );
    return [...got].map((v) => Math.abs(v / Math.sqrt(c + low ** 2) - 1));
  };
  const worst = async () => Math.max(...(await errors()));
  const before = await worst();
  const root = rng(7);
  const steps = 500;
  for (let step = 0; step < steps; step++) {
    const x0 = await recipe.batch(root.fork(2 * step));
    scope(() => {
      const at = { step, random: root.fork(2 * step + 1), scalars: {}, average: optimiser.ema.tree };
      const { grad } = valueAndGrad((p: Record<string, Tensor>) => recipe.loss(p, x0, at))(optimiser.params.tree);
      optimiser.step(grad, {
        step,
        lr: 0.02 * (1 - step / steps) + 1e-4,
        emaDecay: Math.min(0.95, (1 + step) / (10 + step)),
      });
    });
    x0.dispose();
  }
  const after = await errors();
  console.log(
    `worst error before ${before.toFixed(3)}, after ${steps} steps ${after.map((e) => e.toFixed(4)).join(" ")}`,
  );
  optimiser.dispose();
  expect(before).toBeGreaterThan(0.5);
  expect(Math.max(...after)).toBeLessThan(bound);
});

test("distances: of each picture, zero for equals", async () => {
  const [a, b] = [normals(2 * 2 * 3, 5), normals(2 * 2 * 3, 6)];
  const got = await evaluate(() => {
    const [x, y] = [tensor([2, 2, 1, 3], a), tensor([2, 2, 1, 3], b)];
    return [squaredError(x, y), pseudoHuber(0.03)(x, y), pseudoHuber()(x, x)];
  });
  const squares = [0, 1].map((m) => {
    let sum = 0;
    for (let i = 0; i < 6; i++) sum += ((a[6 * m + i] as number) - (b[6 * m + i] as number)) ** 2;
    return sum;
  });
  expectClose(
    got[0] as Float32Array,
    squares.map((v) => v / 6),
    { l2: 1e-6 },
  );
  expectClose(
    got[1] as Float32Array,
    squares.map((v) => Math.sqrt(v + 9e-4) - 0.03),
    { l2: 1e-6 },
  );
  expect(Math.max(...(got[2] as Float32Array).map(Math.abs))).toBeLessThan(1e-6);
});
