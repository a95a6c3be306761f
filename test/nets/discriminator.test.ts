// Against test/fixtures/discriminator.py: pictures that are not square, and a gradient of a gradient.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { mul } from "../../kernels/broadcast.ts";
import { mean, sum, sumSquares } from "../../kernels/reduce.ts";
import { valueAndGrad, vjp } from "../../src/autograd/vjp.ts";
import { discriminator } from "../../src/nets/discriminator.ts";
import type { Params } from "../../src/nets/net.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { parseSafetensors, widen } from "../../src/weights/safetensors.ts";
import { expectClose } from "../lib/close.ts";
import { nhwc } from "../lib/golden.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { seeded, seededParameter } from "../lib/seeded.ts";

withGpu();

const file = parseSafetensors(readFileSync(new URL("../fixtures/discriminator.safetensors", import.meta.url)));
const [N, C, H, W] = [2, 3, 16, 24];
const net = discriminator({ size: [H, W] });
const picture = (data: ArrayLike<number>) => nhwc({ shape: [N, C, H, W], data: Float64Array.from(data) }).data;
const want = (name: string) => widen(file.entry(name));
const given = (name: string) => tensor([N, H, W, C], picture(seeded(name, N * C * H * W)));
const weights = (): Record<string, Tensor> =>
  Object.fromEntries(
    Object.entries(net.parameters).map(([name, { shape }]) => [
      name,
      tensor(
        shape,
        seededParameter(name, shape).map((v) => (shape.length > 1 ? 2 * v : v)),
      ),
    ]),
  );

test("scores, and their gradients in both pictures", async () => {
  const { score, composed, sigmoid, grad } = await evaluate(() => {
    const params = weights();
    const { grad } = valueAndGrad((p: { x: Tensor; y: Tensor }) =>
      sum(mul(net.apply(params, p.x, p.y), tensor([N], seeded("r", N)))),
    )({ x: given("x"), y: given("y") });
    return {
      score: net.apply(params, given("x"), given("y")),
      composed: net.apply(params, given("x"), given("y"), { composed: true }),
      sigmoid: net.apply(params, given("x"), given("y"), { sigmoid: true }),
      grad,
    };
  });
  const errors = [
    expectClose(score, want("score"), { l2: 1e-5 }),
    expectClose(composed, want("score"), { l2: 1e-5 }),
    expectClose(
      sigmoid,
      want("score").map((s) => 1 / (1 + Math.exp(-s))),
      { l2: 1e-5 },
    ),
    expectClose(grad.x, picture(want("grad.x")), { l2: 2e-5 }),
    expectClose(grad.y, picture(want("grad.y")), { l2: 2e-5 }),
  ];
  console.log(`score, composed, sigmoid, x, y: ${errors.map((e) => e.toExponential(1)).join(", ")}`);
});

/** mean |grad_x D|^2 */
const penalty = (params: Params, x: Tensor, composed: boolean): Tensor => {
  const D = (at: Tensor) => sum(net.apply(params, at, given("y"), { sigmoid: true, composed }));
  const [g] = vjp(D, x).pullback(tensor([], [1]));
  return mean(sumSquares(g, { axes: [1, 2, 3] }));
};

test("a gradient penalty's gradient, in weights and in the picture", async () => {
  const keys = file.names.flatMap((n) => (n.startsWith("penalty.grad.") ? [n.slice(13)] : []));
  const { value, grad } = await evaluate(() => {
    const params = weights();
    const some = Object.fromEntries(keys.filter((k) => k !== "x").map((k) => [k, params[k] as Tensor]));
    return valueAndGrad((p: { x: Tensor; some: Record<string, Tensor> }) =>
      penalty({ ...params, ...p.some }, p.x, true),
    )({ x: given("x"), some });
  });
  const errors = [`penalty ${expectClose(value, want("penalty"), { l2: 1e-5 }).toExponential(1)}`];
  for (const key of keys) {
    const stored = want(`penalty.grad.${key}`);
    const mine = key === "x" ? grad.x : (grad.some[key] as Float32Array).slice(0, stored.length);
    const error = expectClose(mine, key === "x" ? picture(stored) : stored, { l2: 5e-5 });
    errors.push(`${key} ${error.toExponential(1)}`);
  }
  console.log(errors.join(", "));
});

test("what it cannot do is said: norms in one kernel differentiated twice, pictures of another size", () =>
  evaluate(() => {
    const params = weights();
    expect(() => valueAndGrad((x: Tensor) => penalty(params, x, false))(given("x"))).toThrow(
      "cannot be differentiated",
    );
    expect(() => net.apply(params, tensor([1, 16, 16, 3], seeded("x", 768)), given("y"))).toThrow("[N, 16, 24, 3]");
    expect(() => discriminator({ size: [16, 20] })).toThrow("multiples of 8, got 16 and 20");
    return [];
  }));

test("other critics: widths as given, a condition of other channels", async () => {
  const critic = discriminator({ size: 16, channels: 2, conditionChannels: 1, stem: 8, widths: [16, 16] });
  expect(critic.parameters["initial_layers.0.weight"]?.shape).toEqual([8, 3, 3, 3]);
  expect(critic.parameters["dense_layer.1.weight"]?.shape).toEqual([1, 16 * 16]);
  const out = await evaluate(() => {
    const params = Object.fromEntries(
      Object.entries(critic.parameters).map(([k, { shape }]) => [k, tensor(shape, seededParameter(k, shape))]),
    );
    return critic.apply(params, tensor([3, 16, 16, 2], seeded("x", 1536)), tensor([3, 16, 16, 1], seeded("y", 768)));
  });
  expect(out).toHaveLength(3);
});
