import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { mul } from "../../kernels/broadcast.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { sum } from "../../kernels/reduce.ts";
import { valueAndGrad } from "../../src/autograd/vjp.ts";
import { alexnet } from "../../src/nets/alexnet.ts";
import type { Params } from "../../src/nets/net.ts";
import { squeezenet } from "../../src/nets/squeezenet.ts";
import type { Trunk } from "../../src/nets/trunk.ts";
import { vgg16 } from "../../src/nets/vgg.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { parseSafetensors, widen } from "../../src/weights/safetensors.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { seeded, seededParameter } from "../lib/seeded.ts";

withGpu();

const file = parseSafetensors(readFileSync(new URL("../fixtures/trunks.safetensors", import.meta.url)));
const width = 1 / 16;
const CASES: Record<string, { net: Trunk; size: readonly [number, number, number] }> = {
  vgg16: { net: vgg16({ width }), size: [2, 17, 35] },
  alexnet: { net: alexnet({ width }), size: [2, 47, 63] },
  squeezenet: { net: squeezenet({ width: 1 / 8 }), size: [2, 33, 40] },
};

/** The fixture's gain keeps the picture alive through many ReLUs. */
const weights = (net: Trunk, dtype: "f32" | "f16" = "f32"): Record<string, Tensor> =>
  Object.fromEntries(
    Object.entries(net.parameters).map(([k, { shape }]) => [
      k,
      shape.length > 1
        ? tensor(
            shape,
            seededParameter(k, shape).map((v) => 1.6 * v),
            dtype,
          )
        : tensor(shape, seededParameter(k, shape)),
    ]),
  );
const picture = (size: readonly number[], dtype: "f32" | "f16" = "f32") =>
  tensor([...size, 3], seeded("x", size.reduce((a, b) => 3 * a * b, 1) / 9), dtype);

/** What the fixture keeps of a large picture: every second row and column of the second sample. */
function thinned(data: Float32Array, [N, H, W, C]: readonly number[]): Float32Array {
  const [h, w, c] = [H as number, W as number, C as number];
  return data.filter((_, i) => {
    const [n, y, x] = [Math.floor(i / (h * w * c)), Math.floor(i / (w * c)) % h, Math.floor(i / c) % w];
    return n === (N as number) - 1 && y % 2 === 0 && x % 2 === 0;
  });
}

test.each(Object.keys(CASES))("%s: taps and gradients of float64 PyTorch", async (name) => {
  const { net, size } = CASES[name] as (typeof CASES)[string];
  const want = (key: string) => widen(file.entry(`${name}.${key}`));
  const keys = file.names.filter((k) => k.startsWith(`${name}.grad.f`)).map((k) => k.slice(`${name}.grad.`.length));
  expect(keys).toHaveLength(3);
  const shapes: (readonly number[])[] = [];
  const got = await evaluate(() => {
    const params = weights(net);
    const some = Object.fromEntries(keys.map((k) => [k, params[k] as Tensor]));
    const taps = net.apply(params, picture(size));
    shapes.push(...taps.map((t) => t.shape));
    const { grad } = valueAndGrad((p: { x: Tensor; some: Params }) =>
      net
        .apply({ ...params, ...p.some }, p.x)
        .map((t, k) => sum(mul(t, tensor(t.shape, seeded(`r${k}`, t.size)))))
        .reduce((a, b) => lincomb(1, a, 1, b)),
    )({ x: picture(size), some });
    return { taps, grad };
  });
  expect(shapes.map((s) => s[3])).toEqual(net.widths);
  const errors = got.taps.map((t, k) =>
    expectClose(k ? t : thinned(t, shapes[0] as number[]), want(`tap${k}`), { l2: 2e-6 }),
  );
  errors.push(expectClose(thinned(got.grad.x, [...size, 3]), want("grad.x"), { l2: 1e-5 }));
  for (const k of keys) errors.push(expectClose(got.grad.some[k] as Float32Array, want(`grad.${k}`), { l2: 1e-5 }));
  console.log(`${name}: ${errors.map((e) => e.toExponential(1)).join(" ")}`);
});

test.each(Object.keys(CASES))("%s in f16", async (name) => {
  const { net, size } = CASES[name] as (typeof CASES)[string];
  const taps = await evaluate(() => net.apply(weights(net, "f16"), picture(size, "f16")).slice(1));
  const errors = taps.map((t, k) => expectClose(t, widen(file.entry(`${name}.tap${k + 1}`)), { l2: 1e-2 }));
  console.log(`${name} in f16: ${errors.map((e) => e.toExponential(1)).join(" ")}`);
});

test("a picture that is too small is refused by the layer that cannot take it", async () => {
  await evaluate(() => {
    for (const [net, least, who] of [
      [CASES.vgg16?.net, 16, "maxPool"],
      [CASES.alexnet?.net, 31, "maxPool"],
      [CASES.squeezenet?.net, 17, "maxPool"],
    ] as [Trunk, number, string][]) {
      expect(net.apply(weights(net), picture([1, least, least]))).toHaveLength(net.widths.length);
      expect(() => net.apply(weights(net), picture([1, least - 1, least]))).toThrow(who);
    }
    return [];
  });
});
