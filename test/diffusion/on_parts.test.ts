import { expect, test } from "vitest";
import { broadcastTo } from "../../kernels/broadcast.ts";
import { affine } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import type { Denoiser, Sigma } from "../../src/diffusion/denoiser.ts";
import { gaussian } from "../../src/diffusion/gaussian.ts";
import { onParts, within } from "../../src/diffusion/on_parts.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals } from "../lib/random.ts";

withGpu();

const [N, H, W] = [3, 5, 4];
const x = asF32(normals(N * H * W * 2, 1));

test("a grey denoiser acts on each part as on a picture of its own, with one level or one for each sample", async () => {
  const c = 0.3;
  const levels = [0.1, 0.5, 2];
  const { one, each } = await evaluate(() => {
    const D = onParts(gaussian({ mean: 0.2, variance: c }));
    const z = tensor([N, H, W, 2], x);
    return { one: D(z, 0.5), each: D(z, levels) };
  });
  const want = (s: (i: number) => number) =>
    x.map((v, i) => 0.2 + (c / (c + s(Math.floor(i / (H * W * 2))) ** 2)) * (v - 0.2));
  expectClose(
    one,
    want(() => 0.5),
    { l2: 1e-6 },
  );
  expectClose(
    each,
    want((n) => levels[n] as number),
    { l2: 1e-6 },
  );
});

test("a denoiser of colours sees grey and sqrt(3) times the level, and its channels are averaged", async () => {
  const told: Sigma[] = [];
  // adds 0, 1, 2 to its channels, and the picture turned upside down would show
  const colours: Denoiser = Object.assign(
    (v: Tensor, s: Sigma) => {
      told.push(s);
      expect(v.shape).toEqual([2 * N, H, W, 3]);
      return lincomb(1, affine(v, 2, 0), 1, broadcastTo(tensor([1, 1, 1, 3], [0, 1, 2]), v.shape));
    },
    { sigmaMin: 0.3, sigmaMax: 30, channels: 3, multipleOf: 4, fixedSize: 64 },
  );
  const D = onParts(colours);
  const { y } = await evaluate(() => ({ y: D(tensor([N, H, W, 2], x), 0.5) }));
  expectClose(
    y,
    x.map((v) => 2 * v + 1),
    { l2: 1e-6 },
  );
  expect(told[0]).toBeCloseTo(0.5 * Math.sqrt(3), 12);
  expect([D.channels, D.multipleOf, D.fixedSize]).toEqual([2, 4, 64]);
  expect([D.sigmaMin * Math.sqrt(3), D.sigmaMax * Math.sqrt(3)].map((v) => Math.round(1e9 * v) / 1e9)).toEqual([
    0.3, 30,
  ]);
});

test("of two channels it is left alone, and outside its support it says 0", async () => {
  const two = gaussian({ channels: 2 });
  expect(onParts(two)).toBe(two);
  const support = Float32Array.from({ length: H * W }, (_, i) => i % 2);
  const { y, all } = await evaluate(() => {
    const z = tensor([N, H, W, 2], x);
    const D = within(two, tensor([H, W, 1], support));
    expect([D.sigmaMin, D.channels]).toEqual([two.sigmaMin, 2]);
    return { y: D(z, 1), all: two(z, 1) };
  });
  expect([...y]).toEqual([...all].map((v, i) => v * (support[Math.floor(i / 2) % (H * W)] as number)));
});
