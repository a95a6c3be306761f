import { expect, test } from "vitest";
import { lincomb } from "../../kernels/lincomb.ts";
import { rng } from "../../kernels/random.ts";
import { gaussian } from "../../src/diffusion/gaussian.ts";
import { unitRange } from "../../src/diffusion/unit_range.ts";
import type { LinearOperator } from "../../src/linalg/operator.ts";
import { initParams } from "../../src/nets/net.ts";
import { ram as network } from "../../src/nets/ram.ts";
import { blur } from "../../src/physics/blur.ts";
import { superResolution } from "../../src/physics/downsample.ts";
import { ram } from "../../src/solvers/ram.ts";
import { run, type Step } from "../../src/solvers/solver.ts";
import { dispose, scope } from "../../src/tensor/scope.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { normals } from "../lib/random.ts";
import { solved } from "../lib/toy.ts";

withGpu();

test("a network of pictures in [0, 1] is shown the measurement of such a picture, and half the noise", async () => {
  const u = normals(2 * 8 * 12 * 3, 1).map((v) => 0.5 + 0.1 * v);
  for (const make of [() => blur([8, 12, 3], { gaussian: 1.5 }), () => superResolution([8, 12, 3], 4)]) {
    let told: unknown;
    const got = await evaluate(() => {
      const A = make();
      const clean = tensor([2, 8, 12, 3], u);
      const ours = tensor(
        [2, 8, 12, 3],
        u.map((v) => 2 * v - 1),
      );
      const model = unitRange((y, B, { sigma }) => {
        told = sigma;
        return B.adjoint(y);
      });
      return { out: model(A.apply(ours), A, { sigma: [0.1, 0.4] }), want: A.adjoint(A.apply(clean)) };
    });
    expect(told).toEqual([0.05, 0.2]);
    expectClose(
      got.out,
      Float64Array.from(got.want, (v) => 2 * v - 1),
      { l2: 1e-5 },
    );
  }
});

test("one forward pass of RAM, as it is called by itself", async () => {
  const net = network({ channels: [8, 8, 8, 8], blocks: 1, pictures: [3] });
  const made = scope(() => ({
    params: initParams(net, rng(1)).tree,
    A: blur([16, 16, 3], { gaussian: 1 }),
    x: tensor(
      [1, 16, 16, 3],
      normals(768, 2).map((v) => 0.3 * v),
    ),
  }));
  const { params, A, x } = made;
  const y = scope(() => A.apply(x));
  const model = unitRange((v: Tensor, B: LinearOperator, noise) => net.apply(params, v, B, noise));
  let last: Step | undefined;
  for await (const step of run(ram(), { denoiser: gaussian({ channels: 3 }), y, A, sigmaNoise: 0.1, model }))
    last = step;
  expect(last?.nfe).toBe(1);
  const got = await (last as Step).x.read();
  const alone = await evaluate(() => {
    const unit = lincomb(0.5, y, 0.5, tensor([1, 16, 16, 3], new Float32Array(768).fill(1)));
    return net.apply(params, unit, A, { sigma: 0.05 });
  });
  expectClose(
    got,
    Float64Array.from(alone, (v) => 2 * v - 1),
    { l2: 1e-4 },
  );
  dispose([last, y, params, A.holds, x]);
});

test("a problem without a model is refused", async () => {
  await expect(solved(ram() as never, { c: 1, s: 1, y: 0 })).rejects.toThrow("ram: expected a problem with a `model`");
});
