import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { mul } from "../../kernels/broadcast.ts";
import { sum } from "../../kernels/reduce.ts";
import { valueAndGrad } from "../../src/autograd/vjp.ts";
import { inception } from "../../src/nets/inception.ts";
import type { Params } from "../../src/nets/net.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { parseSafetensors, widen } from "../../src/weights/safetensors.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { seeded, seededParameter } from "../lib/seeded.ts";

withGpu();

const file = parseSafetensors(readFileSync(new URL("../fixtures/inception.safetensors", import.meta.url)));
const want = (key: string) => widen(file.entry(key));
const net = inception({ width: 1 / 16 });
const given = (k: string, shape: readonly number[]) =>
  k.endsWith("running_var") ? seeded(k, shape[0] as number).map((u) => 0.5 + 0.2 * u) : seededParameter(k, shape);
const weights = (dtype?: "f16"): Record<string, Tensor> =>
  Object.fromEntries(
    Object.entries(net.parameters).map(([k, { shape }]) => [
      k,
      tensor(shape, given(k, shape), shape.length > 1 ? dtype : "f32"),
    ]),
  );
const x = (dtype?: "f16") => tensor([2, 19, 24, 3], seeded("x", 2 * 19 * 24 * 3), dtype);

test("features of float64 PyTorch, of small, exact and large pictures", async () => {
  const got = await evaluate(() => {
    const params = weights();
    const square = tensor([1, 299, 299, 3], seeded("whole", 299 * 299 * 3));
    const large = tensor([1, 301, 640, 3], seeded("large", 301 * 640 * 3));
    return { y: net.apply(params, x()), whole: net.apply(params, square), large: net.apply(params, large) };
  });
  expect(got.y.length).toBe(2 * net.features);
  const errors = [
    expectClose(got.y, want("y"), { l2: 5e-6 }),
    expectClose(got.whole, want("y.whole"), { l2: 5e-6 }),
    expectClose(got.large, want("y.large"), { l2: 5e-6 }),
  ];
  console.log(`inception: ${errors.map((e) => e.toExponential(1)).join(" ")}`);
});

test("gradients of float64 PyTorch", async () => {
  const keys = file.names.filter((k) => k.startsWith("grad.") && k !== "grad.x").map((k) => k.slice("grad.".length));
  expect(keys).toHaveLength(6);
  const { grad } = await evaluate(() => {
    const params = weights();
    const r = tensor([2, net.features], seeded("r", 2 * net.features));
    const some = Object.fromEntries(keys.map((k) => [k, params[k] as Tensor]));
    return valueAndGrad((p: { x: Tensor; some: Params }) => sum(mul(net.apply({ ...params, ...p.some }, p.x), r)))({
      x: x(),
      some,
    });
  });
  const errors = [
    expectClose(grad.x, want("grad.x"), { l2: 1e-4 }),
    ...keys.map((k) => expectClose(grad.some[k] as Float32Array, want(`grad.${k}`), { l2: 1e-4 })),
  ];
  console.log(`inception, gradients: ${errors.map((e) => e.toExponential(1)).join(" ")}`);
});

test("in f16", async () => {
  const y = await evaluate(() => net.apply(weights("f16"), x("f16")));
  console.log(`inception in f16: ${expectClose(y, want("y"), { l2: 1e-2 }).toExponential(1)}`);
});
