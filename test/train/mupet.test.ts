/** MUPET and denoising score matching: levels, degradations, losses and their gradients, and that both train a small network. */
import { describe, expect, test } from "vitest";
import { mul } from "../../kernels/broadcast.ts";
import { conv2d } from "../../kernels/conv2d.ts";
import { affine, silu } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { rng } from "../../kernels/random.ts";
import { valueAndGrad } from "../../src/autograd/vjp.ts";
import type { Denoiser } from "../../src/diffusion/denoiser.ts";
import { precondition } from "../../src/diffusion/precondition.ts";
import { dotTest } from "../../src/linalg/dot_test.ts";
import type { LinearOperator } from "../../src/linalg/operator.ts";
import { scale } from "../../src/linalg/operator.ts";
import { NCSNPP, ncsnpp } from "../../src/nets/ncsnpp.ts";
import { countParameters, type Net, type Params } from "../../src/nets/net.ts";
import { identity } from "../../src/physics/identity.ts";
import { flat } from "../../src/tensor/flat.ts";
import { detached, dispose, scope } from "../../src/tensor/scope.ts";
import { type Tensor, tensor, upload } from "../../src/tensor/tensor.ts";
import { told } from "../../src/train/deq.ts";
import { drawLevels, dsm, dsmLoss } from "../../src/train/dsm.ts";
import { type MupetOptions, mupet } from "../../src/train/mupet.ts";
import { bicubicSmaller, MUPET_DEGRADATIONS, mupetDegradation } from "../../src/train/mupet_degradations.ts";
import type { At, Recipe } from "../../src/train/recipe.ts";
import type { Settled } from "../../src/train/settle.ts";
import { type Trained, trainedNet, trainedScore } from "../../src/train/trained.ts";
import { train, training } from "../../src/train/trainer.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals } from "../lib/random.ts";

withGpu();
const at = (step: number, seed = 1): At => ({ step, random: rng(seed).fork(step), scalars: {} });

test("levels of eq. 11, and of score_sde", () => {
  const range = { sigmaMin: 0.02, sigmaMax: 100 };
  for (const seed of [1, 2, 3]) {
    const r = rng(seed).number();
    const levels = drawLevels("mupet", range, 3, rng(seed));
    expect(levels).toEqual(new Array(3).fill(2 * ((50 - 0.01 + 1) ** r - 1 + 0.01)));
  }
  const drawn = Array.from({ length: 4000 }, (_, k) => drawLevels("mupet", range, 1, rng(9).fork(k))[0] as number);
  expect(Math.min(...drawn)).toBeGreaterThanOrEqual(0.02);
  expect(Math.max(...drawn)).toBeLessThanOrEqual(100);
  // half of r lies below 1/2: the median is at sqrt(50.99) - 1 + .01, doubled
  const median = drawn.sort((a, b) => a - b)[2000] as number;
  expect(Math.abs(median / (2 * (Math.sqrt(50.99) - 0.99)) - 1)).toBeLessThan(0.08);
  const logs = drawLevels("log-uniform", range, 4000, rng(4)).map((s) => Math.log(s / 0.02) / Math.log(5000));
  expect(Math.min(...logs)).toBeGreaterThan(0);
  expect(Math.abs(logs.reduce((a, b) => a + b) / 4000 - 0.5)).toBeLessThan(0.02);
});

describe("degradations", () => {
  test("each is as likely, is linear with its adjoint, and its norm is 1 or less", async () => {
    const shape = [16, 14, 3];
    const seen = new Map<string, number>();
    for (let k = 0; k < 40; k++) {
      const A = detached(() => scope(() => mupetDegradation(shape, rng(3).fork(k))));
      seen.set(A.name as string, (seen.get(A.name as string) ?? 0) + 1);
      if (k < 8) expect((await dotTest(A)).relative).toBeLessThan(1e-5);
      dispose(A);
    }
    console.log([...seen].map(([name, n]) => `${name} ${n}`).join(", "));
    for (const name of ["identity", "inpaint", "blur"]) expect(seen.get(name)).toBeGreaterThan(1);
  });

  test.each(MUPET_DEGRADATIONS)("%s alone", (kind) => {
    const A = detached(() => scope(() => mupetDegradation([12, 12, 3], rng(8), { among: [kind] })));
    expect(A.domain).toEqual([12, 12, 3]);
    expect(A.range[2]).toBe(3);
    dispose(A);
  });

  test("a factor that does not divide the side keeps the first pixel of each block", async () => {
    const { got, all } = await evaluate(() => {
      const x = tensor([1, 10, 12, 3], asF32(normals(360, 1)));
      const A = bicubicSmaller([10, 12, 3], 5);
      const B = bicubicSmaller([10, 12, 3], 4);
      return { got: [A.apply(x), B.apply(x)], all: bicubicSmaller([10, 12, 3], 1).apply(x) };
    });
    expect(got.map((y) => y.length / 3)).toEqual([2 * 3, 3 * 3]);
    expect(all.length).toBe(360);
    expect(() => mupetDegradation([8, 8, 3], rng(1), { among: ["noise" as "blur"] })).toThrow("got noise");
  });
});

/** D(x; s) = c x/(c + s^2) + b: the exact denoiser of N(0, c) where b = 0, its two numbers trained. */
const linearDenoiser = (c: number, b: number): Trained => ({
  init() {
    const made = flat({ c: [1], b: [1] });
    upload(made.tree.c as Tensor, [c]);
    upload(made.tree.b as Tensor, [b]);
    return made;
  },
  denoiser(params) {
    const call = (x: Tensor, sigma: number | readonly number[]): Tensor => {
      const s = typeof sigma === "number" ? sigma : (sigma[0] as number);
      const gain = mul(params.c as Tensor, tensor([1], [1 / (c + s * s)]));
      return scope(() => lincomb(1, mul(x, gain), 1, mul(affine(x, 0, 1), params.b as Tensor)));
    };
    return Object.assign(call, { sigmaMin: 0.02, sigmaMax: 4, channels: 1, multipleOf: 1 }) as unknown as Denoiser;
  },
});

/** One step of a recipe: its loss and gradient, as numbers. */
async function stepOf(recipe: Recipe<never>, k: number, seed = 1) {
  const of = recipe as unknown as Recipe<{ x0: Tensor }>;
  const params = detached(() => of.init(rng(0)));
  const batch = await of.batch(rng(5).fork(k));
  const ready = of.prepare ? await of.prepare(params.tree, batch, at(k, seed)) : batch;
  const out = await evaluate(() =>
    valueAndGrad((p: typeof params.tree) => of.loss(p, ready, at(k, seed)))(params.tree),
  );
  const x = "x" in ready ? await (ready.x as Tensor).read() : undefined;
  const x0 = await ready.x0.read();
  dispose([params.tree, params.chunks, batch, ready] as never);
  return { value: out.value[0] as number, grad: out.grad, x, x0 } as const;
}

describe("the loss", () => {
  const shape = [2, 6, 6, 1];
  const images = async () => detached(() => tensor(shape, asF32(normals(72, 3).map((v) => 0.5 * v))));
  const s0 = 0.7;
  const trained = linearDenoiser(0.25, 0.1);
  const degradation = (shape: readonly number[]): LinearOperator => scale(s0, identity(shape));

  test("is eq. 9, and its gradient that of g's one application at the fixed point", async () => {
    const settled: { settled: Settled; sigma: number }[] = [];
    const options: MupetOptions = {
      ...{ alpha: 0.5, eta: 0.3, sigmaMax: 1, degradation, tol: 1e-12, accelerate: "anderson", every: 4 },
      onSettled: (s, { sigma }) => settled.push({ settled: s, sigma }),
    };
    const [k, eta] = [2, 0.3];
    const got = await stepOf(mupet({ trained, images }, options) as never, k);
    const plain = await stepOf(mupet({ trained, images }, { ...options, alpha: 0 }) as never, k);
    const alone = await stepOf(dsm({ trained, images }, { levels: "mupet", sigmaMax: 1 }) as never, k);
    expect(alone.value).toBe(plain.value);
    const whole = await stepOf(mupet({ trained, images }, { ...options, gradient: "gmres" }) as never, k);
    const { sigma, settled: found } = settled[0] as (typeof settled)[0];
    expect(found.end).toBe("settled");
    console.log(`sigma ${sigma.toFixed(3)}, ${told(found)}`);
    const r = rng(1).fork(k).fork(0).number();
    expect(sigma).toBeCloseTo(2 * ((0.5 - 0.01 + 1) ** r - 1 + 0.01), 10);
    // the fixed point in closed form: s0 (s0 x - y) + x - gain x - b = 0
    const gain = 0.25 / (0.25 + sigma ** 2);
    const noise = (await evaluate(() => rng(1).fork(k).fork(2).normal(shape))) as unknown as Float32Array;
    const y = [...got.x0].map((v, i) => s0 * v + sigma * (noise[i] as number));
    const x = y.map((v) => (s0 * v + 0.1) / (s0 * s0 + 1 - gain));
    expectClose(got.x as Float32Array, x, { l2: 1e-5 });
    const e = x.map((v, i) => v - (got.x0[i] as number));
    const mean = (v: readonly number[]) => v.reduce((a, b) => a + b, 0) / v.length;
    expect(got.value - plain.value).toBeCloseTo((0.5 * mean(e.map((v) => v * v))) / sigma ** 2, 4);
    // dg/dc = eta x/(c0 + s^2), dg/db = eta; exact: divided by 1 - dg/dx = eta (s0^2 + 1 - gain)
    const dc = (0.5 * 2 * eta * mean(e.map((v, i) => (v * (x[i] as number)) / (0.25 + sigma ** 2)))) / sigma ** 2;
    const db = (0.5 * 2 * eta * mean(e)) / sigma ** 2;
    const part = (name: "c" | "b", g: typeof got) =>
      ((g.grad[name] as Float32Array)[0] as number) - ((plain.grad[name] as Float32Array)[0] as number);
    expectClose([part("c", got), part("b", got)], [dc, db], { l2: 1e-4 });
    const slope = eta * (s0 * s0 + 1 - gain);
    expectClose([part("c", whole), part("b", whole)], [dc / slope, db / slope], { l2: 1e-4 });
  });

  test("of denoising alone is the mean of (D - x0)^2/s^2, at the variance that theory gives", async () => {
    const sigma = [0.3, 0.3];
    const value = await evaluate(() => {
      const x0 = lincomb(0.5, rng(7).normal([2, 64, 64, 1]));
      const D = linearDenoiser(0.25, 0).denoiser({ c: tensor([1], [0.25]), b: tensor([1], [0]) });
      return dsmLoss(D, x0, sigma, rng(8));
    });
    // E (D - x0)^2 = c s^2/(c + s^2)
    expect((value as unknown as Float32Array)[0]).toBeCloseTo(0.25 / (0.25 + 0.09), 1);
  });

  test("a fixed point out of bounds leaves denoising, and says so", async () => {
    const ends: string[] = [];
    const recipe = mupet(
      { trained, images },
      { degradation, bound: 0.1, every: 2, onSettled: (s) => ends.push(s.end) },
    ) as never;
    const [got, plain] = [await stepOf(recipe, 1), await stepOf(mupet({ trained, images }, { alpha: 0 }) as never, 1)];
    expect(ends).toEqual(["diverged"]);
    expect(got.x).toBeUndefined();
    expect(got.value).toBe(plain.value);
  });
});

/** Stripes and blobs, unlike noise: what a small network learns in a few steps. */
const pictures = (N: number, side: number) => async (random: { number(): number }) => {
  const data = Array.from({ length: N }, () => {
    const [a, b, c] = [random.number(), random.number(), random.number()];
    return Array.from({ length: side * side * 3 }, (_, i) => {
      const [y, x] = [Math.floor(i / 3 / side), Math.floor(i / 3) % side];
      return 0.8 * Math.sin(6 * (a * x + b * y) * 0.2 + 6 * c + (i % 3));
    });
  }).flat();
  return detached(() => tensor([N, side, side, 3], data));
};

/** Two convolutions: enough to learn something of stripes. */
const twoLayers: Net = {
  ...{ name: "two layers", inChannels: 3, outChannels: 3, multipleOf: 1 },
  parameters: {
    "1.weight": { shape: [12, 3, 3, 3], init: { fanIn: 27 } },
    "1.bias": { shape: [12], init: 0 },
    "2.weight": { shape: [3, 12, 3, 3], init: { fanIn: 108 } },
  },
  apply: (p, x) =>
    scope(() =>
      conv2d(
        silu(conv2d(x, p["1.weight"] as Tensor, { bias: p["1.bias"] as Tensor, padding: 1 })),
        p["2.weight"] as Tensor,
        { padding: 1 },
      ),
    ),
};
const tiny = () => trainedNet(twoLayers, (F) => precondition.edm(F));

/** The mean of a recipe's losses over batches that training does not see. */
async function heldOut(recipe: Recipe<never>, params: Params): Promise<number> {
  const of = recipe as unknown as Recipe<{ x0: Tensor }>;
  let sum = 0;
  for (let k = 0; k < 3; k++) {
    const batch = await of.batch(rng(77).fork(k));
    const ready = (await of.prepare?.(params, batch, at(k, 78))) ?? batch;
    sum += ((await evaluate(() => of.loss(params, ready, at(k, 78)))) as unknown as Float32Array)[0] as number;
    dispose([batch, ready]);
  }
  return sum / 3;
}

test.each([
  ["dsm", (t: Trained) => dsm({ trained: t, images: pictures(4, 8) }, { sigmaMin: 0.3, sigmaMax: 0.6 })],
  [
    "mupet",
    (t: Trained) =>
      mupet(
        { trained: t, images: pictures(4, 8) },
        {
          ...{ sigmaMin: 0.3, sigmaMax: 0.6, alpha: 10 },
          ...({ accelerate: "anderson", eta: 0.3, maxIterations: 12, every: 4 } as const),
          degradation: (shape, random) => mupetDegradation(shape, random, { among: ["denoise", "blur"], sigma: 1 }),
        },
      ),
  ],
] as const)("%s lowers its loss on pictures it has not seen", async (name, recipe) => {
  const of = recipe(tiny()) as unknown as Recipe<never>;
  using run = training(of, { seed: 3 });
  const before = await heldOut(of, run.optimiser.params.tree);
  const steps = 25;
  for await (const _ of train(run, { schedule: { lr: 2e-2, warmup: 0, lrEnd: 5e-3, steps } }));
  const after = await heldOut(of, run.optimiser.params.tree);
  console.log(`${name}: ${before.toFixed(3)}, after ${steps} steps ${after.toFixed(3)}`);
  expect(after).toBeLessThan(0.85 * before);
});

/** PROXEL_FULL=1: as wide as published, which takes a software adapter minutes. */
const width = process.env.PROXEL_FULL ? 128 : 8;
test.each([
  ["CIFAR", NCSNPP.cifar10, 32],
  ["LSUN", NCSNPP.bedroom256, 64],
] as const)(`the %s network, ${width} channels wide (published: 128), takes a step`, async (name, config, side) => {
  const net = ncsnpp({ ...config, channels: width, resolution: side });
  console.log(`${name}: ${countParameters(net)} parameters of ${countParameters(ncsnpp(config))}`);
  const ends: string[] = [];
  const recipe = mupet(
    { trained: trainedScore(net, { sigmaMax: config.sigmas.max }), images: pictures(1, side) },
    { maxIterations: 1, every: 1, onSettled: (s) => ends.push(s.end) },
  );
  using run = training(recipe as never, { seed: 1 });
  for await (const { loss, norm } of train(run, { schedule: { lr: 1e-5, warmup: 0, lrEnd: 1e-5, steps: 1 } })) {
    console.log(`${name}: loss ${loss.toFixed(3)}, gradient ${norm.toFixed(3)}`);
    expect(Number.isFinite(loss) && norm > 0).toBe(true);
  }
  expect(ends).toHaveLength(1);
});
