import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { mul } from "../../kernels/broadcast.ts";
import { sum } from "../../kernels/reduce.ts";
import { asComplex, asReal, reshape } from "../../kernels/reshape.ts";
import { valueAndGrad } from "../../src/autograd/vjp.ts";
import type { Params } from "../../src/nets/net.ts";
import { normUnet } from "../../src/nets/norm_unet.ts";
import { officialVarnet, varnet } from "../../src/nets/varnet.ts";
import { scope } from "../../src/tensor/scope.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { parseSafetensors, widen } from "../../src/weights/safetensors.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { seeded, seededParameter } from "../lib/seeded.ts";

withGpu();

const file = parseSafetensors(readFileSync(new URL("../fixtures/varnet.safetensors", import.meta.url)));
const want = (name: string) => widen(file.entry(name));
const [N, H, W, COILS] = [2, 20, 24, 3];
const mask = [0, 1].map((n) => [...want("masks")].slice(n * W, (n + 1) * W));
const net = officialVarnet({ num_cascades: 2, chans: 4, pools: 2, sens_chans: 3, sens_pools: 2 });

/** As the fixture makes it: larger in the middle, nothing where nothing was measured. */
const given = seeded("kspace", N * H * W * COILS * 2).map((v, i) => {
  const pixel = Math.floor(i / (2 * COILS));
  const [n, y, x] = [Math.floor(pixel / (H * W)), Math.floor(pixel / W) % H, pixel % W];
  return v * (0.1 + 5 * Math.exp(-0.02 * ((y - H / 2) ** 2 + (x - W / 2) ** 2))) * (mask[n]?.[x] as number);
});
const kspace = () => asComplex(tensor([N, H, W, COILS, 2], given));
const weights = (dtype: "f32" | "f16" = "f32"): Record<string, Tensor> =>
  Object.fromEntries(
    Object.entries(net.parameters).map(([k, { shape }]) => [
      k,
      tensor(shape, seededParameter(k, shape), shape.length > 1 ? dtype : "f32"),
    ]),
  );

test("reconstructs as float64 PyTorch does: sensitivities, picture and gradients, a mask for each sample", async () => {
  const names = file.names.filter((n) => n.startsWith("grad.") && n !== "grad.kspace").map((n) => n.slice(5));
  expect(names).toHaveLength(5);
  const got = await evaluate(() => {
    const params = weights();
    const r = tensor([N, H, W, 1], seeded("r", N * H * W));
    const some = Object.fromEntries(names.map((n) => [n, params[n] as Tensor]));
    const { grad } = valueAndGrad((p: { k: Tensor; some: Params }) =>
      sum(mul(net.apply({ ...params, ...p.some }, asComplex(p.k), { mask }), r)),
    )({ k: asReal(kspace()), some });
    return {
      S: net.sensitivities(params, kspace(), { mask }),
      y: net.apply(params, kspace(), { mask }),
      low8: net.apply(params, kspace(), { mask, lowFrequencies: 8 }),
      grad,
    };
  });
  const errors = {
    S: expectClose(got.S.slice(0, H * W * COILS * 2), want("sens"), { l2: 1e-5 }),
    y: expectClose(got.y, want("y"), { l2: 1e-5 }),
    "y with 8 low frequencies": expectClose(got.low8, want("y.low8"), { l2: 1e-5 }),
    k: expectClose(got.grad.k.slice(0, H * W * COILS * 2), want("grad.kspace"), { l2: 1e-4 }),
    ...Object.fromEntries(
      names.map((n) => [n, expectClose(got.grad.some[n] as Float32Array, want(`grad.${n}`), { l2: 1e-4 })]),
    ),
  };
  console.log(
    `varnet: ${Object.entries(errors)
      .map(([n, e]) => `${n} ${e.toExponential(1)}`)
      .join(", ")}`,
  );
});

test("one mask serves all samples; the sensitivities may see everything measured", async () => {
  const row = mask[0] as number[];
  const got = await evaluate(() => {
    const params = weights();
    const all = varnet({ cascades: 2, channels: 4, pools: 2, sensChannels: 3, sensPools: 2, maskCentre: false });
    const k = kspace();
    return {
      one: net.apply(params, k, { mask: row }),
      each: net.apply(params, k, { mask: [row, row] }),
      open: all.sensitivities(params, k, { mask: row }),
      whole: net.sensitivities(params, k, { mask: row, lowFrequencies: W }),
    };
  });
  expect([...got.one]).toEqual([...got.each]);
  expectClose(got.open, got.whole, { l2: 1e-6 });
});

test("an odd side, which five poolings leave, is mirrored on the way up", async () => {
  const deep = normUnet({ channels: 2, pools: 5 });
  const y = await evaluate(() => {
    const params = Object.fromEntries(
      Object.entries(deep.parameters).map(([k, { shape }]) => [k, tensor(shape, seededParameter(`odd.${k}`, shape))]),
    );
    return deep.apply(params, tensor([1, 80, 72, 2], seeded("odd", 80 * 72 * 2)));
  });
  const fifth = y.filter((_, i) => ((i >> 1) % 72) % 5 === 0 && Math.floor((i >> 1) / 72) % 5 === 0);
  expectClose(fifth, want("odd"), { l2: 1e-5 });
});

test("weights in f16 keep k-space and the norms in f32", async () => {
  const y = await evaluate(() => net.apply(weights("f16"), kspace(), { mask }));
  expectClose(y, want("y"), { l2: 1e-2 });
});

test("several coils in one NormUnet are normalised together; a picture of nothing stays nothing", async () => {
  const two = normUnet({ channels: 4, pools: 1, planes: 4 });
  const got = await evaluate(() => {
    const params = Object.fromEntries(
      Object.entries(two.parameters).map(([k, { shape }]) => [k, tensor(shape, seededParameter(k, shape))]),
    );
    const x = tensor(
      [1, 8, 16, 4],
      seeded("x", 512).map((v, i) => (i % 4 < 2 ? v : 100 * v + 7)),
    );
    // without a way through, the U-Net gives its bias: the output shows mean and deviation of each half
    const last = "unet.up_conv.0.1";
    const shown = {
      ...params,
      [`${last}.weight`]: tensor([4, 4, 1, 1], new Float32Array(16)),
      [`${last}.bias`]: tensor([4], [1, 1, 1, 1]),
    };
    const one = normUnet({ channels: 4, pools: 2 });
    const plain = Object.fromEntries(
      Object.entries(one.parameters).map(([k, { shape }]) => [k, tensor(shape, seededParameter(k, shape))]),
    );
    return { y: two.apply(shown, x), x, none: one.apply(plain, tensor([1, 16, 16, 2], new Float32Array(512))) };
  });
  for (const half of [0, 1]) {
    const values = [...got.x].filter((_, i) => (i % 4 >= 2 ? 1 : 0) === half);
    const m = values.reduce((a, b) => a + b, 0) / values.length;
    const s = Math.sqrt(values.reduce((a, v) => a + (v - m) ** 2, 0) / (values.length - 1));
    expect(got.y[2 * half]).toBeCloseTo(m + s, 4);
  }
  expect(Math.max(...got.none.map(Math.abs))).toBe(0);
});

test("misuse is named", () =>
  scope(() => {
    const k = kspace();
    const params: Params = {};
    expect(() => net.apply(params, reshape(asReal(k), [N, H, W, 2 * COILS]), { mask })).toThrow(
      "varnet: k-space expects c64 [N, H, W, coils], got f32 [2,20,24,6]",
    );
    expect(() => net.apply(params, k, { mask: [1, 0, 1] })).toThrow(
      /0 or 1 for each of 24 columns, one row or 2, got 1 of 3/,
    );
    expect(() => net.apply(params, k, { mask: [...mask, ...mask] })).toThrow(/one row or 2, got 4/);
    expect(() => normUnet({ channels: 4, pools: 2, planes: 3 })).toThrow(/3 planes are not pairs/);
  }));
