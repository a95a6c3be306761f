import { expect, test } from "vitest";
import { valueAndGrad } from "../../src/autograd/vjp.ts";
import { ssim } from "../../src/metrics/ssim.ts";
import { scope } from "../../src/tensor/scope.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { ssimLoss } from "../../src/train/ssim_loss.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, uniforms } from "../lib/random.ts";

withGpu();

const [N, H, W] = [2, 11, 13];
const size = H * W;
/** Smooth, with a texture, of unlike brightness. */
const truth = asF32(uniforms(N * size, 3).map((v, i) => (i < size ? 0.3 : 40) * (1 + 0.5 * Math.sin(i / 5) + 0.3 * v)));
const x = asF32(uniforms(N * size, 4).map((v, i) => (truth[i] as number) * (1 + 0.3 * v)));
const peaks = [0, 1].map((n) => Math.max(...truth.slice(n * size, (n + 1) * size)));

/** The mean over samples of 1 - ssim "uniform7", in float64. */
const wanted = (p: ArrayLike<number>) =>
  [0, 1].reduce((sum, n) => {
    const of = (v: ArrayLike<number>) => Array.from(v).slice(n * size, (n + 1) * size);
    const options = { width: W, height: H, variant: "uniform7", range: peaks[n] as number } as const;
    return sum + (1 - ssim(of(p), of(truth), options)) / N;
  }, 0);

test("is 1 - SSIM of the metric with fastMRI's windows, and its gradient that of central differences", async () => {
  const got = await evaluate(() => {
    const [t, range] = [tensor([N, H, W, 1], truth), tensor([N, 1, 1, 1], peaks)];
    return valueAndGrad((p: Tensor) => ssimLoss(p, t, range))(tensor([N, H, W, 1], x));
  });
  expect(got.value[0]).toBeCloseTo(wanted(x), 5);
  const central = Float64Array.from(x, (v, i) => {
    const h = 1e-4 * (peaks[Math.floor(i / size)] as number);
    const at = (to: number) => wanted(x.map((old, k) => (k === i ? to : old)));
    return (at(v + h) - at(v - h)) / (2 * h);
  });
  for (const n of [0, 1])
    expectClose(got.grad.slice(n * size, (n + 1) * size), central.slice(n * size, (n + 1) * size), { l2: 1e-4 });
});

test("a picture against itself costs nothing, and two shapes are named", async () => {
  const { same } = await evaluate(() => {
    const t = tensor([N, H, W, 1], truth);
    return { same: ssimLoss(t, t, tensor([N, 1, 1, 1], peaks)) };
  });
  expect(Math.abs(same[0] as number)).toBeLessThan(1e-6);
  scope(() => {
    const [a, b] = [tensor([1, 8, 8, 1], new Float32Array(64)), tensor([1, 8, 9, 1], new Float32Array(72))];
    expect(() => ssimLoss(a, b, tensor([1], [1]))).toThrow(
      "ssimLoss: expected two [N, H, W, C], got [1,8,8,1] and [1,8,9,1]",
    );
  });
});
