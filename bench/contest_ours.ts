/** Our own part in the contest: the engine as its users call it. */
import { attention } from "../kernels/attention.ts";
import { mul } from "../kernels/broadcast.ts";
import { conv2d } from "../kernels/conv2d.ts";
import { square } from "../kernels/elementwise.ts";
import { fft2 } from "../kernels/fft.ts";
import { groupNorm } from "../kernels/group_norm.ts";
import { matmul } from "../kernels/matmul.ts";
import { sum } from "../kernels/reduce.ts";
import { asComplex, asReal, reshape } from "../kernels/reshape.ts";
import { valueAndGrad } from "../src/autograd/vjp.ts";
import { type Gpu, openGpu } from "../src/gpu/open.ts";
import { detached, dispose, scope } from "../src/tensor/scope.ts";
import { type Tensor, tensor } from "../src/tensor/tensor.ts";
import type { Input, Size } from "./contest_cases.ts";
import type { Adapter, Running } from "./contestant.ts";

const work =
  (call: (t: Record<string, Tensor>, size: Size) => Tensor[]) =>
  async (size: Size, input: Input): Promise<Running> => {
    const made = detached(() =>
      Object.fromEntries(Object.entries(input).map(([name, { shape, data }]) => [name, tensor(shape, data)])),
    );
    return {
      run: () => scope(() => void call(made, size)),
      async output() {
        const out = detached(() => scope(() => call(made, size)));
        const read = await Promise.all(out.map((t) => t.read()));
        dispose(out);
        return read;
      },
      end: () => dispose(made),
    };
  };

const convolution = work(({ x, w, b }, { k }) => [
  conv2d(x as Tensor, w as Tensor, { bias: b as Tensor, padding: ((k as number) - 1) / 2 }),
]);

let gpu: Gpu;
export const ours: Adapter = {
  async available() {
    gpu = await openGpu();
  },
  idle: () => gpu.idle(),
  cases: {
    conv3x3: convolution,
    conv1x1: convolution,
    convBackward: work(({ x, w, g }) => {
      const loss = (p: { x: Tensor; w: Tensor }) => sum(mul(g as Tensor, square(conv2d(p.x, p.w, { padding: 1 }))));
      const { grad } = valueAndGrad(loss)({ x: x as Tensor, w: w as Tensor });
      return [grad.x, grad.w];
    }),
    matmul: work(({ a, b }) => [matmul(a as Tensor, b as Tensor)]),
    attention: work(({ q, k, v }, { heads }) => [
      attention(q as Tensor, k as Tensor, v as Tensor, { heads: heads as number }),
    ]),
    groupNormSilu: work(({ x, gamma, beta }, { groups }) => [
      groupNorm(x as Tensor, gamma, beta, { groups: groups as number, silu: true }),
    ]),
    fft2: work(({ x }, { N, H, W }) => [
      asReal(fft2(asComplex(reshape(x as Tensor, [N as number, H as number, W as number, 1, 2])))),
    ]),
  },
};
