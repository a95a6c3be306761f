import { expect, test } from "vitest";
import { add, mul } from "../../kernels/broadcast.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { rng } from "../../kernels/random.ts";
import { valueAndGrad } from "../../src/autograd/vjp.ts";
import { bridge } from "../../src/diffusion/bridge.ts";
import { gaussian } from "../../src/diffusion/gaussian.ts";
import { admUnet } from "../../src/nets/adm_unet.ts";
import { initParams } from "../../src/nets/net.ts";
import { superResolution } from "../../src/physics/downsample.ts";
import { i2sb } from "../../src/solvers/i2sb.ts";
import { restore } from "../../src/solvers/solver.ts";
import { dispose, scope } from "../../src/tensor/scope.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { i2sbLoss, i2sbModel, i2sbTraining } from "../../src/train/i2sb.ts";
import { adam } from "../../src/train/optimiser.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals } from "../lib/random.ts";

withGpu();
const [N, H, W, C] = [4, 3, 5, 3];
const n = N * H * W * C;
const [clean, worse] = [asF32(normals(n, 1).map((v) => 0.4 * v)), asF32(normals(n, 2).map((v) => 0.4 * v))];
const [weight, shift] = [asF32([0.7, -0.3, 1.1]), asF32([0.2, 0.05, -0.4])];
const seen = Float32Array.from({ length: N * H * W }, (_, i) => (i % 3 === 0 ? 0 : 1));

test.each([
  ["super-resolution's bridge", { betaMax: 0.3 }, false, false],
  ["deblurring's, without noise", { betaMax: 1 }, true, false],
  ["inpainting's, learnt in the hole alone", { betaMax: 1 }, true, true],
])("%s: the loss and its gradient, for F(x, t) = a x + b t/1000", async (_, settings, otOde, holed) => {
  const of = bridge(settings);
  const out = await evaluate(() => {
    const [x0, x1] = [tensor([N, H, W, C], clean), tensor([N, H, W, C], worse)];
    const pair = { x0, x1, ...(holed && { hole: tensor([N, H, W, 1], seen) }) };
    const loss = ({ a, b }: { a: Tensor; b: Tensor }) =>
      i2sbLoss(
        (x, t) =>
          add(
            mul(x, a),
            mul(
              tensor(
                [N, 1, 1, 1],
                t.map((v) => v / 1000),
              ),
              b,
            ),
          ),
        pair,
        rng(9),
        { of, otOde },
      );
    const twin = rng(9);
    const picks = Array.from({ length: N }, () => twin.integer(0, 999));
    return {
      ...valueAndGrad(loss)({ a: tensor([C], weight), b: tensor([C], shift) }),
      z: twin.normal(x0.shape),
      picks,
    };
  });
  let loss = 0;
  const [da, db] = [new Float64Array(C), new Float64Array(C)];
  for (let i = 0; i < n; i++) {
    const c = i % C;
    const k = out.picks[Math.floor(i / (H * W * C))] as number;
    const [f, b] = [of.forward[k] as number, of.backward[k] as number];
    const [x0, x1, z] = [clean[i], worse[i], out.z[i]] as [number, number, number];
    const total = f * f + b * b;
    const x = (b * b * x0 + f * f * x1) / total + (otOde ? 0 : (f * b * z) / Math.sqrt(total));
    const t = (of.time[k] as number) / 1000;
    const on = holed ? (seen[Math.floor(i / C)] as number) : 1;
    const e = on * ((weight[c] as number) * x + (shift[c] as number) * t - (x - x0) / f);
    loss += e ** 2 / n;
    da[c] = (da[c] as number) + (2 * e * x) / n;
    db[c] = (db[c] as number) + (2 * e * t) / n;
  }
  expectClose(out.value, [loss], { l2: 1e-5 });
  expectClose(out.grad.a, da, { l2: 1e-5 });
  expectClose(out.grad.b, db, { l2: 1e-5 });
});

test("a small network that sees x1 learns to double pictures, and the solver uses it", async () => {
  const A = superResolution([8, 8, 3], 2);
  const net = admUnet({ resolution: 8, channels: 32, multipliers: [1, 1], blocks: 1, inChannels: 6 });
  const smooth = (random: ReturnType<typeof rng>, count: number) =>
    scope(() => {
      // ramps, which half the pixels tell
      const a = Array.from({ length: 6 * count }, () => 0.4 * random.gaussian());
      const values = new Float32Array(count * 8 * 8 * 3);
      for (let i = 0; i < values.length; i++) {
        const [m, y, x, c] = [Math.floor(i / 192), Math.floor(i / 24) % 8, Math.floor(i / 3) % 8, i % 3];
        values[i] = (((y - 3.5) * (a[6 * m + c] as number) + (x - 3.5) * (a[6 * m + 3 + c] as number)) / 3.5) as number;
      }
      return tensor([count, 8, 8, 3], values);
    });
  const recipe = i2sbTraining({
    net,
    condX1: true,
    otOde: true,
    init: (random) => initParams(net, random),
    batch: async (random) =>
      scope(() => {
        const x0 = smooth(random, 4);
        const y = A.apply(x0);
        return { x0, x1: A.pinv?.(y, 0) as Tensor };
      }),
  });
  const optimiser = adam(recipe.init(rng(1)), { maxNorm: 1 });
  const losses: number[] = [];
  for (let step = 0; step < 24; step++) {
    const pair = await recipe.batch(rng(7).fork(step % 5));
    const value = scope(() => {
      const at = { step, random: rng(8).fork(step), scalars: {} };
      const { value, grad } = valueAndGrad((p: Record<string, Tensor>) => recipe.loss(p, pair, at))(
        optimiser.params.tree,
      );
      optimiser.step(grad, { step, lr: 3e-3, emaDecay: 0 });
      return value;
    });
    losses.push((await value.read())[0] as number);
    dispose([pair, value]);
  }
  const mean = (x: number[]) => x.reduce((a, b) => a + b) / x.length;
  console.log(`loss ${mean(losses.slice(0, 5)).toFixed(4)}, after 24 steps ${mean(losses.slice(-8)).toFixed(4)}`);
  expect(mean(losses.slice(-8))).toBeLessThan(0.6 * mean(losses.slice(0, 5)));

  const truth = smooth(rng(99), 4);
  const y = A.apply(truth);
  const problem = {
    y,
    A,
    sigmaNoise: 0,
    denoiser: gaussian({ channels: 3 }),
    model: i2sbModel(net, optimiser.params.tree, { condX1: true }),
  };
  const x = await restore(problem, i2sb({ steps: 3, otOde: true }));
  const error = async (t: Tensor) => (await evaluate(() => lincomb(1, t, -1, truth))).reduce((a, b) => a + b * b, 0);
  const start = A.pinv?.(y, 0) as Tensor;
  const [before, after] = [await error(start), await error(x)];
  console.log(`squared error ${before.toFixed(2)} enlarged, ${after.toFixed(2)} by the bridge`);
  expect(after).toBeLessThan(0.8 * before);
  dispose([truth, y, x, start, A.holds]);
  optimiser.dispose();
});
