import { afterAll, beforeAll, expect, test } from "vitest";
import { add, mul } from "../../kernels/broadcast.ts";
import { sinusoidal } from "../../kernels/embedding.ts";
import { rng } from "../../kernels/random.ts";
import { sumSquares } from "../../kernels/reduce.ts";
import { reshape } from "../../kernels/reshape.ts";
import { valueAndGrad } from "../../src/autograd/vjp.ts";
import { planned } from "../../src/diffusion/planned.ts";
import { precondition } from "../../src/diffusion/precondition.ts";
import { scope } from "../../src/tensor/scope.ts";
import { type Tensor, tensor, upload } from "../../src/tensor/tensor.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";

withGpu();
let w: Tensor;
beforeAll(() => {
  w = tensor([1, 1, 1, 3], [1, 2, 3]);
});
afterAll(() => w.dispose());

const counted = () => {
  let calls = 0;
  const F = (x: Tensor, t: readonly number[]) => {
    calls++;
    const e = sinusoidal(t, 3);
    return mul(add(x, reshape(e, [t.length, 1, 1, 3])), w);
  };
  return { F, calls: () => calls };
};

test("a network is run once, captured once and then replayed, for each shape, and always at the level asked", async () => {
  const { F, calls } = counted();
  using network = planned(F, { keep: 2 });
  const [eager, D] = [precondition.edm(F), precondition.edm(network)];
  const pictures = scope(() => [8, 4, 2].map((side) => rng(side).normal([2, side, side, 3])));
  for (const [i, sigma] of [5, 2, [0.1, 7], 0.3].entries())
    for (const x of pictures.slice(0, 2)) {
      const before = calls();
      const got = await evaluate(() => D(x, sigma));
      expect(calls() - before).toBe(i < 2 ? 1 : 0);
      expect(got).toEqual(await evaluate(() => eager(x, sigma)));
    }
  // a third shape takes the place of the one used longest ago
  const [big, middle, small] = pictures as [Tensor, Tensor, Tensor];
  const runs = async (x: Tensor) => {
    const before = calls();
    await evaluate(() => D(x, 1));
    return calls() - before;
  };
  expect([await runs(small), await runs(small), await runs(small), await runs(middle)]).toEqual([1, 1, 0, 0]);
  expect([await runs(big), await runs(big), await runs(big)]).toEqual([1, 1, 0]);
  for (const x of pictures) x.dispose();
});

test("gradients go through it, weights that change are seen, and what no plan can repeat is called as ever", async () => {
  const { F, calls } = counted();
  using network = planned(F);
  const x = scope(() => rng(1).normal([1, 2, 2, 3]));
  for (let i = 0; i < 3; i++) await evaluate(() => network(x, [2]));
  const slope = (f: typeof network | typeof F) =>
    evaluate(() => valueAndGrad((z: Tensor) => sumSquares(f(z, [2])))(x).grad);
  expect(await slope(network)).toEqual(await slope(F));
  upload(w, [4, 5, 6]);
  for (let i = 0; i < 3; i++) expect(await evaluate(() => network(x, [2]))).toEqual(await evaluate(() => F(x, [2])));
  let odd = 0;
  using other = planned((z, [t]) => {
    odd++;
    return mul(z, tensor([1], [t as number]));
  });
  for (let i = 1; i < 4; i++)
    expect(await evaluate(() => other(x, [i]))).toEqual(await evaluate(() => mul(x, tensor([1], [i]))));
  expect(odd).toBe(3); // the capture ended where the number was read
  expect(calls()).toBeGreaterThan(4);
  x.dispose();
});
