import { expect, test } from "vitest";
import { sum } from "../../kernels/reduce.ts";
import { valueAndGrad } from "../../src/autograd/vjp.ts";
import { LPIPS_NETS, type Lpips, lpips, lpipsLayer, lpipsName } from "../../src/metrics/lpips.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { seeded, seededParameter } from "../lib/seeded.ts";
import { fixture, numbers } from "./numbers.ts";

withGpu();

const shape = [2, 33, 38, 3];
const count = 2 * 33 * 38 * 3;
const x = seeded("x", count).map((v) => 0.9 * v);
const noise = seeded("y", count);
const truth = x.map((v, i) => v + 0.2 * (noise[i] as number));

const weights = (net: Lpips, dtype: "f32" | "f16"): Record<string, Tensor> =>
  Object.fromEntries(
    Object.entries(net.parameters).map(([name, { shape }]) => {
      const drawn = seededParameter(name, shape);
      const made = name.startsWith("lin") ? drawn.map(Math.abs) : shape.length > 1 ? drawn.map((v) => 1.6 * v) : drawn;
      return [name, tensor(shape, made, shape.length > 1 && !name.startsWith("lin") ? dtype : "f32")];
    }),
  );
const tiny = (net: (typeof LPIPS_NETS)[number]) => lpips({ net, width: net === "squeeze" ? 1 / 8 : 1 / 16 });

test.each(LPIPS_NETS)("lpips-%s: distances and gradient of float64 PyTorch", async (name) => {
  const net = tiny(name);
  const got = await evaluate(() => {
    const params = weights(net, "f32");
    const [a, b] = [x, truth].map((data) => tensor(shape, data)) as [Tensor, Tensor];
    const { grad } = valueAndGrad((p: { a: Tensor }) => sum(net.apply(params, p.a, b)))({ a });
    return { d: net.apply(params, a, b), same: net.apply(params, a, a), grad: grad.a };
  });
  const error = expectClose(got.d, numbers[`lpips.${name}`], { l2: 1e-5 });
  const thin = got.grad.filter((_, i) => (Math.floor(i / 114) % 33) % 3 === 0 && (Math.floor(i / 3) % 38) % 3 === 0);
  const slope = expectClose(thin, fixture(`${name}.grad`), { l2: 1e-4 });
  expect([...got.same]).toEqual([0, 0]);
  console.log(`lpips-${name}: ${error.toExponential(1)}, gradient ${slope.toExponential(1)}`);
});

test("halves give the same to a part in a hundred", async () => {
  const net = tiny("vgg");
  const { d } = await evaluate(() => ({
    d: net.apply(weights(net, "f16"), tensor(shape, x, "f16"), tensor(shape, truth, "f16")),
  }));
  expectClose(d, numbers["lpips.vgg"], { l2: 1e-2 });
});

test("a pixel without features has no gradient, instead of one that is no number", async () => {
  const { d, grad } = await evaluate(() => {
    const w = tensor([1, 2, 1, 1], [1, 2]);
    const f1 = tensor([1, 1, 3, 2], [0, 0, 3, 4, 1, 0]);
    const { value, grad } = valueAndGrad((p: { f: Tensor }) => sum(lpipsLayer(p.f, f1, w)))({
      f: tensor([1, 1, 3, 2], [0, 0, 0, 0, 0, 1]),
    });
    return { d: value, grad: grad.f };
  });
  // 0 and 0; 0 and (.6, .8): .36 + 2 .64; (0, 1) and (1, 0): 1 + 2
  expectClose(d, [(1.64 + 3) / 3], { l2: 1e-6 });
  expect([...grad.slice(0, 4)]).toEqual([0, 0, 0, 0]);
  expect(grad[4]).toBeCloseTo(-2 / 3, 5);
});

test("names are the published module's", () => {
  expect(lpipsName("vgg", "features.5.weight")).toBe("net.slice2.5.weight");
  expect(lpipsName("squeeze", "features.12.expand1x1.bias")).toBe("net.slice7.12.expand1x1.bias");
  expect(lpipsName("alex", "features.8.bias")).toBe("net.slice4.8.bias");
});

test("pictures of two shapes are refused", async () => {
  await evaluate(() => {
    const net = tiny("alex");
    expect(() => net.apply(weights(net, "f32"), tensor([1, 2, 2, 3], x.slice(0, 12)), tensor(shape, x))).toThrow(
      /one shape/,
    );
    return [];
  });
});
