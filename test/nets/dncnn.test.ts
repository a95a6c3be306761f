import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { mul } from "../../kernels/broadcast.ts";
import { sum } from "../../kernels/reduce.ts";
import { valueAndGrad } from "../../src/autograd/vjp.ts";
import { officialDncnn } from "../../src/nets/dncnn.ts";
import type { Params, PictureNet } from "../../src/nets/net.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { parseSafetensors, widen } from "../../src/weights/safetensors.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { seeded, seededParameter } from "../lib/seeded.ts";

withGpu();

const file = parseSafetensors(readFileSync(new URL("../fixtures/dncnn.safetensors", import.meta.url)));
const CASES: Record<string, PictureNet> = {
  R: officialDncnn({ in_nc: 3, out_nc: 3, nc: 5, nb: 4, act_mode: "R" }),
  BR: officialDncnn({ in_nc: 1, out_nc: 1, nc: 6, nb: 4, act_mode: "BR" }),
  deepinv: officialDncnn({ in_channels: 3, out_channels: 3, nf: 4, depth: 4 }),
  "deepinv.plain": officialDncnn({ in_channels: 3, out_channels: 3, nf: 4, depth: 4, bias: false }),
};
const given = (k: string, shape: readonly number[]) =>
  k.endsWith("running_var") ? seeded(k, shape[0] as number).map((u) => 0.5 + 0.2 * u) : seededParameter(k, shape);

test.each(Object.keys(CASES))("%s, not square, batch 2: float64 PyTorch's picture and gradients", async (name) => {
  const net = CASES[name] as PictureNet;
  const want = (key: string) => widen(file.entry(`${name}.${key}`));
  const prefix = `${name}.grad.`;
  const keys = file.names.filter((k) => k.startsWith(prefix)).map((k) => k.slice(prefix.length));
  const shape = [2, 9, 14, net.inChannels];
  const got = await evaluate(() => {
    const weights = (dtype?: "f16"): Record<string, Tensor> =>
      Object.fromEntries(
        Object.entries(net.parameters).map(([k, { shape: s }]) => [
          k,
          tensor(s, given(k, s), s.length > 1 ? dtype : "f32"),
        ]),
      );
    const x = (dtype?: "f16") => tensor(shape, seeded("x", 2 * 9 * 14 * net.inChannels), dtype);
    const params = weights();
    const some = Object.fromEntries(keys.filter((k) => k !== "x").map((k) => [k, params[k] as Tensor]));
    const { grad } = valueAndGrad((p: { x: Tensor; some: Params }) =>
      sum(mul(net.apply({ ...params, ...p.some }, p.x), tensor(shape, seeded("r", 2 * 9 * 14 * net.inChannels)))),
    )({ x: x(), some });
    return { y: net.apply(params, x()), half: net.apply(weights("f16"), x("f16")), grad: { x: grad.x, ...grad.some } };
  });
  const grads: Record<string, Float32Array> = got.grad;
  const errors = [
    expectClose(got.y, want("y"), { l2: 1e-6 }),
    ...keys.map((k) => expectClose(grads[k] as Float32Array, want(`grad.${k}`), { l2: 1e-5 })),
    expectClose(got.half, want("y"), { l2: 5e-3 }),
  ];
  console.log(`${name}: ${errors.map((e) => e.toExponential(1)).join(" ")} (the last in f16)`);
});

test("what no released model has is named", () => {
  expect(() => officialDncnn({ act_mode: "I" })).toThrow("act_mode R or BR expected, got I");
  expect(() => officialDncnn({ in_nc: 3, out_nc: 1, act_mode: "R" })).toThrow("got 3 and 1");
  expect(() => officialDncnn({ nb: 1, act_mode: "R" })).toThrow("at least 2 layers expected, got 1");
});
