import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { mul } from "../../kernels/broadcast.ts";
import { sum } from "../../kernels/reduce.ts";
import { valueAndGrad } from "../../src/autograd/vjp.ts";
import { kernelWizard, officialKernelWizard } from "../../src/nets/kernel_wizard.ts";
import { countParameters, type Params } from "../../src/nets/net.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { parseSafetensors, widen } from "../../src/weights/safetensors.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { seeded, seededParameter } from "../lib/seeded.ts";

withGpu();

const file = parseSafetensors(readFileSync(new URL("../fixtures/kernel_wizard.safetensors", import.meta.url)));
const want = (key: string) => widen(file.entry(key));
const shape = [2, 128, 256, 3];
const count = 2 * 128 * 256 * 3;
const every16 = (x: Float32Array) =>
  x.filter((_, i) => Math.floor(i / 3) % 16 === 0 && Math.floor(i / 3 / 256) % 16 === 0);

test("not square, batch 2, one latent kernel: float64 PyTorch's picture and gradients", async () => {
  const net = kernelWizard({ width: 2, front: 1, back: 2, last: 3 });
  const keys = file.names.filter((k) => k.startsWith("grad.")).map((k) => k.slice("grad.".length));
  const got = await evaluate(() => {
    const params: Record<string, Tensor> = Object.fromEntries(
      Object.entries(net.parameters).map(([k, { shape: s }]) => [k, tensor(s, seededParameter(k, s))]),
    );
    const u = tensor(
      shape,
      seeded("u", count).map((v) => 0.5 + 0.5 * v),
    );
    const k = tensor(
      [1, 1, 2, 16],
      seeded("k", 32).map((v) => 2 * v),
    );
    const some = Object.fromEntries(keys.filter((n) => n.length > 1).map((n) => [n, params[n] as Tensor]));
    const { grad } = valueAndGrad((p: { u: Tensor; k: Tensor; some: Params }) =>
      sum(mul(net.apply({ ...params, ...p.some }, p.u, p.k), tensor(shape, seeded("r", count)))),
    )({ u, k, some });
    return { y: net.apply(params, u, k), grad: { u: grad.u, k: grad.k, ...grad.some } as Record<string, Tensor> };
  });
  const energy = [0, 1].map((n) =>
    got.y.subarray((n * count) / 2, ((n + 1) * count) / 2).reduce((s, v) => s + v * v, 0),
  );
  const grads: Record<string, Float32Array> = { ...got.grad, u: every16(got.grad.u as Float32Array) };
  const errors = [
    expectClose(every16(got.y), want("y"), { l2: 1e-6 }),
    expectClose(energy, want("y.energy"), { l2: 1e-5 }),
    ...keys.map((name) => expectClose(grads[name] as Float32Array, want(`grad.${name}`), { l2: 2e-5 })),
  ];
  console.log(errors.map((e) => e.toExponential(1)).join(" "));
});

test("the published one, and what does not fit", async () => {
  const net = officialKernelWizard();
  expect(net.parameters["adapter.model.submodule.submodule.submodule.submodule.up.1.weight"]?.shape).toEqual([
    1024, 512, 4, 4,
  ]);
  expect(net.parameters["recon_trunk.28.weight"]?.shape).toEqual([3, 64, 3, 3]);
  console.log(`${countParameters(net)} parameters`);
  await evaluate(() => {
    const [u, k] = [
      tensor([1, 128, 64, 3], new Float32Array(128 * 64 * 3)),
      tensor([1, 1, 1, 512], new Float32Array(512)),
    ];
    expect(() => net.apply({}, u, k)).toThrow("sides that are multiples of 128, got [1,128,64,3]");
    const square = tensor([1, 128, 128, 3], new Float32Array(128 * 128 * 3));
    expect(() => net.apply({}, square, tensor([1, 1, 1, 8], new Float32Array(8)))).toThrow(
      "kernelWizard: k expects [1 or 1, 1,1,512], got [1,1,1,8]",
    );
    return [];
  });
});
