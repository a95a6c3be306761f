import { expect, test } from "vitest";
import { mul } from "../../kernels/broadcast.ts";
import { tanh } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { rng } from "../../kernels/random.ts";
import { valueAndGrad } from "../../src/autograd/vjp.ts";
import { precondition } from "../../src/diffusion/precondition.ts";
import type { Params } from "../../src/nets/net.ts";
import { flat } from "../../src/tensor/flat.ts";
import { type Tensor, tensor, upload } from "../../src/tensor/tensor.ts";
import { edmLoss } from "../../src/train/edm_loss.ts";
import { edmRecipe, ofDenoiser } from "../../src/train/edm_recipe.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";

withGpu();

const SHAPE = [2, 4, 4, 3] as const;
const F = (params: Params, x: Tensor): Tensor => tanh(mul(x, params.w as Tensor));
const w = () => tensor([1, 1, 1, 3], [0.7, -0.4, 1.1]);

test("a denoiser unwrapped is the network within it: the same loss, the same gradient", async () => {
  const D = (params: Params) => precondition.edm((x) => F(params, x), { sigmaData: 0.5 });
  const { a, b } = await evaluate(() => {
    const x0 = lincomb(0.5, rng(1).normal(SHAPE));
    const of = (net: (p: Params, x: Tensor, l: readonly number[]) => Tensor) =>
      valueAndGrad((p: Params) => edmLoss((x, l) => net(p, x, l), x0, rng(2)))({ w: w() });
    return { a: of(F), b: of(ofDenoiser(D, 0.5)) };
  });
  expectClose(b.value, a.value, { l2: 1e-5 });
  expectClose(b.grad.w as Float32Array, a.grad.w as Float32Array, { l2: 1e-4 });
});

test("the sheet has the pictures, and each level's noisy and denoised ones; the same random draws the same", async () => {
  const init = () => {
    const made = flat({ w: [1, 1, 1, 3] });
    upload(made.tree.w as Tensor, [0, 0, 0]);
    return made;
  };
  const tiles = {
    ...{ name: "grey", count: 1, width: 8, height: 8, channels: 1 as const },
    tile: (_: number, out: Uint8Array) => void out.fill(200),
  };
  const recipe = edmRecipe({ init, F, data: [{ tiles, weight: 1 }], size: 8, batch: 2 });
  const params = { w: tensor([1, 1, 1, 3], [0, 0, 0]) };
  const sheet = async () => (await recipe.sheet?.(params, { step: 0, random: rng(3), scalars: {} })) ?? [];
  const [one, two] = [await sheet(), await sheet()];
  expect(one.map(({ label }) => label)).toEqual([
    "pictures",
    "noise 0.1",
    "denoised",
    "noise 0.4",
    "denoised",
    "noise 1.6",
    "denoised",
  ]);
  for (const { pictures } of one) expect(pictures.map(({ data }) => data.length)).toEqual(new Array(4).fill(192));
  expect(two).toEqual(one);
  // F = 0 leaves c_skip x
  const [noisy, denoised] = [3, 4].map((i) => one[i]?.pictures[1]?.data as Float32Array) as [
    Float32Array,
    Float32Array,
  ];
  expectClose(
    denoised,
    noisy.map((v) => (v * 0.25) / (0.25 + 0.16)),
    { l2: 1e-6 },
  );
  params.w.dispose();
});
