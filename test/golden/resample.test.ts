import { describe, test } from "vitest";
import { conv2d } from "../../kernels/conv2d.ts";
import { firBeforeConv, firDown, firUp } from "../../kernels/fir.ts";
import { nearestUp } from "../../kernels/nearest_up.ts";
import { pad } from "../../kernels/pad.ts";
import { avgPool2 } from "../../kernels/pool.ts";
import { vjp } from "../../src/autograd/vjp.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { golden, nhwc, type Stored } from "../lib/golden.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";

withGpu();

const file = golden("ops");
const stored = (name: string): Stored => nhwc(file?.tensors.get(name) as Stored);

const CASES: Record<string, (x: Tensor) => Tensor> = {
  fir_down: (x) => firDown(x),
  fir_up: (x) => firUp(x),
  fir_down_odd: (x) => firDown(x),
  edm_down_11: (x) => firDown(x, [1, 1]),
  edm_up_11: (x) => firUp(x, [1, 1]),
  edm_down_1331: (x) => firDown(x),
  edm_up_1331: (x) => firUp(x),
  naive_down: avgPool2,
  nearest_up: (x) => nearestUp(x),
};

describe.skipIf(!file)("resampling as the official PyTorch code does it", () => {
  test.each(Object.keys(CASES))("%s, and its gradient", async (name) => {
    const [x, y, r, grad] = ["in.x", "y", "r", "grad.x"].map((part) => stored(`${name}.${part}`)) as [
      Stored,
      Stored,
      Stored,
      Stored,
    ];
    const got = await evaluate(() => {
      const { value, pullback } = vjp(CASES[name] as (x: Tensor) => Tensor, tensor(x.shape, x.data));
      return { value, dx: pullback(tensor(r.shape, r.data))[0] };
    });
    expectClose(got.value, y.data, { l2: 1e-6 });
    expectClose(got.dx as unknown as Float32Array, grad.data, { l2: 1e-6 });
  });

  test.each([
    ["fir_conv_down", "in.w", firBeforeConv, false],
    ["edm_fused_down", "param.w", firBeforeConv, false],
    ["pesser_down", "param.weight", (x: Tensor) => pad(x, [0, 1, 0, 1]), true],
  ] as const)("%s: what is put before a 3x3 convolution of stride 2", async (name, weight, before, bias) => {
    const [x, y, r, grad] = ["in.x", "y", "r", "grad.x"].map((part) => stored(`${name}.${part}`)) as [
      Stored,
      Stored,
      Stored,
      Stored,
    ];
    const w = file?.tensors.get(`${name}.${weight}`) as Stored;
    const b = file?.tensors.get(`${name}.param.bias`);
    const got = await evaluate(() => {
      const options = { stride: 2, padding: 0, bias: bias && b ? tensor(b.shape, b.data) : undefined };
      const { value, pullback } = vjp(
        (t: Tensor) => conv2d(before(t), tensor(w.shape, w.data), options),
        tensor(x.shape, x.data),
      );
      return { value, dx: pullback(tensor(r.shape, r.data))[0] };
    });
    expectClose(got.value, y.data, { l2: 2e-6 });
    expectClose(got.dx as unknown as Float32Array, grad.data, { l2: 2e-6 });
  });
});
