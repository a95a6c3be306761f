import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { mul } from "../../kernels/broadcast.ts";
import { fft2, ifft2 } from "../../kernels/fft.ts";
import { sum } from "../../kernels/reduce.ts";
import { asComplex, reshape } from "../../kernels/reshape.ts";
import { valueAndGrad } from "../../src/autograd/vjp.ts";
import { dotTest } from "../../src/linalg/dot_test.ts";
import { compose, type LinearOperator, linear } from "../../src/linalg/operator.ts";
import type { Params } from "../../src/nets/net.ts";
import { ram } from "../../src/nets/ram.ts";
import { lowPass, padded, realPictures, type Seen, scaledDown } from "../../src/nets/ram_operator.ts";
import { blur } from "../../src/physics/blur.ts";
import { superResolution } from "../../src/physics/downsample.ts";
import { inpaint } from "../../src/physics/mask.ts";
import { dispose, scope } from "../../src/tensor/scope.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { parseSafetensors, widen } from "../../src/weights/safetensors.ts";
import { expectClose } from "../lib/close.ts";
import { nhwc } from "../lib/golden.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { seeded, seededParameter } from "../lib/seeded.ts";

withGpu();

const file = parseSafetensors(readFileSync(new URL("../fixtures/ram.safetensors", import.meta.url)));
const want = (name: string) => widen(file.entry(name));
const net = ram({ channels: [4, 6, 8, 10], blocks: 2 });
const weights = (dtype: "f32" | "f16" = "f32"): Record<string, Tensor> =>
  Object.fromEntries(
    Object.entries(net.parameters).map(([k, { shape }]) => [
      k,
      shape.length > 1
        ? tensor(shape, seededParameter(k, shape), dtype)
        : tensor(
            shape,
            seeded(k, 1).map((v) => 1 + 0.5 * v),
          ),
    ]),
  );
const pictures = (name: string, shape: number[]) =>
  nhwc({
    shape,
    data: Float64Array.from(
      seeded(
        name,
        shape.reduce((a, b) => a * b),
      ),
    ),
  });

const [N, H, W] = [2, 13, 20];
/** A blur and then a mask; neither extent divides by 8. */
function blurred(): LinearOperator {
  const mask = seeded("blurred.mask", H * W).map((v) => (v > -0.4 ? 1 : 0));
  const psf = Array.from({ length: 5 }, () => new Array<number>(5).fill(0));
  for (const [dy, dx, v] of [
    [0, 0, 0.5],
    [0, 1, 0.2],
    [-1, 0, 0.2],
    [1, 2, 0.1],
  ] as const)
    (psf[2 + dy] as number[])[2 + dx] = v;
  return compose(inpaint(tensor([H, W, 1], mask), [H, W, 3]), blur([H, W, 3], { psf }));
}
const noise = { sigma: [0.05, 0.2], gamma: [1e-4, 0.02], solve: { iterations: 40, tol: 1e-7 } };
const given = () => {
  const y = pictures("blurred.y", [N, 3, H, W]);
  return tensor(y.shape, y.data);
};

test("sees through a blur and a mask as float64 PyTorch does: the first picture, the last, and gradients", async () => {
  const grads = file.names.filter((n) => n.startsWith("blurred.grad.") && !n.endsWith(".y")).map((n) => n.slice(13));
  expect(grads).toHaveLength(6);
  const got = await evaluate(() => {
    const [params, A, y] = [weights(), blurred(), given()];
    const r = tensor([N, H, W, 3], seeded("blurred.r", N * H * W * 3));
    const some = Object.fromEntries(grads.map((k) => [k, params[k] as Tensor]));
    const { grad } = valueAndGrad((p: { y: Tensor; some: Params }) =>
      sum(mul(net.apply({ ...params, ...p.some }, p.y, A, noise), r)),
    )({ y, some });
    return { first: net.initial(params, y, A, noise), out: net.apply(params, y, A, noise), grad };
  });
  const dy = nhwc({ shape: [1, 3, H, W], data: Float64Array.from(want("blurred.grad.y")) }).data;
  const errors = {
    first: expectClose(got.first, want("blurred.first"), { l2: 2e-6 }),
    out: expectClose(got.out, want("blurred.out"), { l2: 1e-5 }),
    y: expectClose(got.grad.y.slice(0, dy.length), dy, { l2: 1e-4 }),
    ...Object.fromEntries(
      grads.map((k) => [k, expectClose(got.grad.some[k] as Float32Array, want(`blurred.grad.${k}`), { l2: 1e-4 })]),
    ),
  };
  console.log(
    `ram: ${Object.entries(errors)
      .map(([n, e]) => `${n} ${e.toExponential(1)}`)
      .join(", ")}`,
  );
});

test("block means: the factor follows from the shapes, and enters the first picture", async () => {
  const got = await evaluate(() => {
    const [params, A] = [weights(), superResolution([16, 20, 1], 2)];
    const y = tensor([1, 8, 10, 1], seeded("means.y", 80));
    return {
      first: net.initial(params, y, A, { sigma: 0.1 }),
      out: net.apply(params, y, A, { sigma: 0.1 }),
      none: net.initial(params, y, A, { sigma: 0.1, factor: 1 }),
    };
  });
  expectClose(got.first, want("means.first"), { l2: 2e-6 });
  expectClose(got.out, want("means.out"), { l2: 1e-5 });
  expect(() => expectClose(got.none, want("means.first"), { l2: 1e-3 })).toThrow();
});

/** Lines of the Fourier transform of complex pictures. */
function fourier(): LinearOperator {
  const lines = tensor(
    [1, 1, 12, 1],
    seeded("fourier.mask", 12).map((v) => (v > -0.3 ? 1 : 0)),
  );
  return linear({
    domain: [16, 12, 1],
    range: [16, 12, 1],
    domainType: "c64",
    rangeType: "c64",
    holds: lines,
    apply: (x) => scope(() => mul(fft2(x, { norm: "ortho" }), lines)),
    adjoint: (y) => scope(() => ifft2(mul(y, lines), { norm: "ortho" })),
  });
}

test("a complex picture is two channels; without a noise model it is told 0.005", async () => {
  const got = await evaluate(() => {
    const [params, A] = [weights(), fourier()];
    const y = asComplex(reshape(tensor([1, 16, 12, 2], pictures("fourier.y", [1, 2, 16, 12]).data), [1, 16, 12, 1, 2]));
    return { first: net.initial(params, y, A), out: net.apply(params, y, A) };
  });
  expectClose(got.first, want("fourier.first"), { l2: 2e-6 });
  expectClose(got.out, want("fourier.out"), { l2: 1e-5 });
});

test("weights in f16 leave the operator in f32", async () => {
  const y = await evaluate(() => net.apply(weights("f16"), given(), blurred(), noise));
  expectClose(y, want("blurred.out"), { l2: 2e-2 });
});

test("the scaled operators have the adjoints they claim, padded and not, real and complex", async () => {
  for (const make of [blurred, fourier]) {
    const A = scope(make);
    for (const f of [1, 2, 4, 8]) {
      const see = (): Seen => scaledDown(padded(realPictures(A), 8), f);
      const B = linear({
        domain: [...scope(() => see().extent)],
        range: A.range,
        rangeType: A.rangeType ?? "f32",
        apply: (x) => scope(() => see().apply(x)),
        adjoint: (y) => scope(() => see().adjoint(y)),
      });
      expect((await dotTest(B)).relative).toBeLessThan(1e-6);
    }
    dispose(A);
  }
});

test("the low-pass sums to 1 and is symmetric", () => {
  for (const f of [2, 4, 8]) {
    const taps = lowPass(f);
    expect(taps).toHaveLength(4 * f);
    expect(taps.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 14);
    taps.forEach((v, i) => expect(v).toBeCloseTo(taps[taps.length - 1 - i] as number, 14));
  }
});

test("misuse is named", () =>
  scope(() => {
    const two = ram({ channels: [4, 6, 8, 10], blocks: 1, pictures: [1, 2] });
    const A = inpaint(tensor([8, 8, 3], new Float32Array(192).fill(1)));
    const y = tensor([1, 8, 8, 3], new Float32Array(192));
    expect(() => two.apply({}, y, A)).toThrow("ram: it has heads for pictures of 1, 2 channels, got 3");
    const vector = linear({ domain: [12], range: [12], apply: (x) => x, adjoint: (x) => x });
    expect(() => net.apply({}, tensor([1, 12], new Float32Array(12)), vector)).toThrow(
      /ram: the operator must take pictures \[H, W, C\], .* got f32 \[12\]/,
    );
  }));
