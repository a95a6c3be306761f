import { expect, test } from "vitest";
import { lincomb } from "../../kernels/lincomb.ts";
import { gaussian } from "../../src/diffusion/gaussian.ts";
import { precondition } from "../../src/diffusion/precondition.ts";
import { vpSigma } from "../../src/diffusion/schedules.ts";
import { velocity } from "../../src/diffusion/velocity.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { normals } from "../lib/random.ts";

withGpu();
const [c, shape] = [0.25, [2, 3, 5, 3]] as const;
const x = normals(90, 1);
/** E[x0 - noise | x_t] of pixels N(0, c), over x_t. */
const slope = (t: number) => (t * c - (1 - t)) / (t * t * c + (1 - t) ** 2);
const levels = [0.01, 0.3, 1, 7, 60];

test("an exact velocity gives the exact denoiser, one level or one for each sample", async () => {
  const D = precondition.flow((z: Tensor, [t]) => lincomb(slope(t as number), z));
  const one = precondition.flow((z: Tensor, [t, u]) => lincomb((slope(t as number) + slope(u as number)) / 2, z));
  const exact = gaussian({ variance: c, channels: 3 });
  const got = await evaluate(() => {
    const input = tensor(shape, x);
    return levels.map((s) => ({ d: D(input, s), each: one(input, [s, s]), want: exact(input, s) }));
  });
  for (const { d, each, want } of got) {
    expectClose(d, Float64Array.from(want), { l2: 2e-5 });
    expectClose(each, Float64Array.from(want), { l2: 2e-5 });
  }
});

test("rectified flow: time from the picture to noise, and the opposite sign", async () => {
  const D = precondition.flow((z: Tensor, [t]) => lincomb(-1, lincomb(-slope(1 - (t as number)), z)), {
    noise: (s) => s / (1 + s),
  });
  const got = await evaluate(() => [
    D(tensor(shape, x), 0.7),
    gaussian({ variance: c, channels: 3 })(tensor(shape, x), 0.7),
  ]);
  expectClose(got[0] as Float32Array, Float64Array.from(got[1] as Float32Array), { l2: 2e-5 });
});

test("v-prediction, and its label", async () => {
  const labels: number[] = [];
  const D = precondition.v((z: Tensor, [label]) => {
    labels.push(label as number);
    const a = 1 / (1 + vpSigma((label as number) / 999) ** 2); // alphaBar
    return lincomb((Math.sqrt(a * (1 - a)) * (1 - c)) / (a * c + 1 - a), z);
  });
  const got = await evaluate(() => {
    const input = tensor(shape, x);
    return levels.map((s) => ({ d: D(input, s), want: gaussian({ variance: c, channels: 3 })(input, s) }));
  });
  for (const { d, want } of got) expectClose(d, Float64Array.from(want), { l2: 2e-5 });
  expect(labels).toHaveLength(5);
});

test("the velocity of a denoiser, there and back", async () => {
  const denoiser = gaussian({ variance: c, channels: 3 });
  const v = velocity(denoiser);
  const back = precondition.flow((z: Tensor, [t]) => v(z, t as number));
  const got = await evaluate(() => {
    const input = tensor(shape, x);
    return { v: v(input, 0.3), back: back(input, 2), d: denoiser(input, 2) };
  });
  expectClose(
    got.v,
    x.map((u) => slope(0.3) * u),
    { l2: 2e-5 },
  );
  expectClose(got.back, Float64Array.from(got.d), { l2: 2e-5 });
  expect(() => v({} as Tensor, 1)).toThrow("velocity: t must lie between 0 (noise) and 1 (picture), got 1");
});
