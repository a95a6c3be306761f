import { expect, test } from "vitest";
import { conv2d } from "../../kernels/conv2d.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { rng } from "../../kernels/random.ts";
import { sumSquares } from "../../kernels/reduce.ts";
import { reshape } from "../../kernels/reshape.ts";
import { valueAndGrad } from "../../src/autograd/vjp.ts";
import { halvesTo } from "../../src/tensor/half.ts";
import { plan } from "../../src/tensor/plan.ts";
import { scope } from "../../src/tensor/scope.ts";
import { frugal, type Tensor, upload } from "../../src/tensor/tensor.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";

const device = withGpu();

test.each([
  { O: 8, I: 8, k: 3, split: 8, dtype: "f32" },
  { O: 64, I: 24, k: 3, split: 16, dtype: "f32" },
  { O: 6, I: 5, k: 3, split: 5, dtype: "f32" },
  { O: 12, I: 16, k: 1, split: 16, dtype: "f32" },
  { O: 16, I: 12, k: 3, split: 4, dtype: "f16" },
] as const)(
  "a frugal weight of $O x $I x $k x $k in $dtype, met in parts of $split, is kept once and read bit for bit",
  async ({ O, I, k, split, dtype }) => {
    const { pool, f16 } = device.gpu;
    if (dtype === "f16" && !f16) return;
    const w = scope(() => rng(1).normal(k === 1 ? [O, I, 1] : [O, I, k, k], { dtype }));
    const x = scope(() => rng(2).normal([1, 6, 5, split], { dtype }));
    const x2 = split < I ? scope(() => rng(3).normal([1, 6, 5, I - split], { dtype })) : undefined;
    const F = (z: Tensor) => conv2d(z, k === 1 ? reshape(w, [O, I, 1, 1]) : w, { padding: k >> 1, x2 });
    const [bits, plain] = [await w.readRaw(), await evaluate(() => F(x))];
    const gradient = () => evaluate(() => valueAndGrad((z: Tensor) => sumSquares(F(z)))(x).grad);
    const slope = await gradient();
    upload(w, new Float32Array(w.size)); // what was derived is stale
    upload(w, restored(bits, dtype));
    const before = pool.live;
    frugal([w]);
    expect(await evaluate(() => F(x))).toEqual(plain);
    // one buffer less than with the weight itself: the packed forms took the places of the stale ones
    expect(pool.live).toBe(before - 1);
    expect(new Uint8Array(await w.readRaw())).toEqual(new Uint8Array(bits));
    expect(pool.live).toBe(before - 1);
    expect(await evaluate(() => F(x))).toEqual(plain);
    using planned = plan(F, [x]);
    expect(await evaluate(() => planned(x))).toEqual(plain);
    // whoever wants it as it was has it made again, a gradient too
    expect(await evaluate(() => lincomb(1, w))).toEqual(await w.read());
    expect(await gradient()).toEqual(slope);
    expect(await evaluate(() => planned(x))).toEqual(plain);
    upload(w, new Float32Array(w.size));
    expect((await evaluate(() => F(x))).every((v) => v === 0)).toBe(true);
    for (const t of [w, x, x2]) t?.dispose();
  },
);

const restored = (bits: ArrayBuffer, dtype: "f32" | "f16"): Float32Array =>
  dtype === "f32" ? new Float32Array(bits) : halvesTo(new Uint16Array(bits));
