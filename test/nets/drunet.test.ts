import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { mul } from "../../kernels/broadcast.ts";
import { sum } from "../../kernels/reduce.ts";
import { valueAndGrad } from "../../src/autograd/vjp.ts";
import { drunet, officialDrunet } from "../../src/nets/drunet.ts";
import type { Params } from "../../src/nets/net.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { parseSafetensors, widen } from "../../src/weights/safetensors.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { seeded, seededParameter } from "../lib/seeded.ts";

withGpu();

const file = parseSafetensors(readFileSync(new URL("../fixtures/drunet.safetensors", import.meta.url)));
const want = (key: string) => widen(file.entry(`drunet.${key}`));
const net = officialDrunet({ in_nc: 4, out_nc: 3, nc: [4, 6, 8, 10], nb: 1 });
const x = (dtype?: "f16") => tensor([2, 16, 24, 4], seeded("x", 2 * 16 * 24 * 4), dtype);
const weights = (dtype?: "f16"): Record<string, Tensor> =>
  Object.fromEntries(
    Object.entries(net.parameters).map(([k, { shape }]) => [k, tensor(shape, seededParameter(k, shape), dtype)]),
  );

test("one block a level, not square, batch 2: float64 PyTorch's picture and gradients", async () => {
  const keys = file.names.filter((k) => k.startsWith("drunet.grad.m_")).map((k) => k.slice("drunet.grad.".length));
  expect(keys).toHaveLength(4);
  const got = await evaluate(() => {
    const params = weights();
    const r = tensor([2, 16, 24, 3], seeded("r", 2 * 16 * 24 * 3));
    const some = Object.fromEntries(keys.map((k) => [k, params[k] as Tensor]));
    const { grad } = valueAndGrad((p: { x: Tensor; some: Params }) =>
      sum(mul(net.apply({ ...params, ...p.some }, p.x), r)),
    )({ x: x(), some });
    return { y: net.apply(params, x()), half: net.apply(weights("f16"), x("f16")), grad };
  });
  const errors = [
    expectClose(got.y, want("y"), { l2: 2e-6 }),
    expectClose(got.grad.x, want("grad.x"), { l2: 1e-5 }),
    ...keys.map((k) => expectClose(got.grad.some[k] as Float32Array, want(`grad.${k}`), { l2: 1e-5 })),
    expectClose(got.half, want("y"), { l2: 5e-3 }),
  ];
  console.log(`drunet: ${errors.map((e) => e.toExponential(1)).join(" ")} (the last in f16)`);
});

test("other modes are named", () => {
  expect(() => officialDrunet({ upsample_mode: "pixelshuffle" })).toThrow("got 4 and R, strideconv, pixelshuffle");
  expect(Object.keys(drunet({ blocks: 1 }).parameters)).toContain("m_body.res.0.weight");
  expect(Object.keys(drunet({ blocks: 2 }).parameters)).toContain("m_body.1.res.2.weight");
});
