import { rng } from "../kernels/random.ts";
import { asComplex } from "../kernels/reshape.ts";
import { valueAndGrad, vjp } from "../src/autograd/vjp.ts";
import { initParams, type Net } from "../src/nets/net.ts";
import { detached } from "../src/tensor/scope.ts";
import { type Tensor, tensor } from "../src/tensor/tensor.ts";
import type { Row } from "./shapes.ts";

/** The tensors that stay while a row is measured, and the work, which records one call. */
export interface Ready {
  inputs: Tensor[];
  work: () => void;
  end?: () => void;
}
type Size = Record<string, number>;
/** Loads what it needs, so that a kernel which is not there costs its own rows only. */
type Maker = () => Promise<(size: Size, row: Row) => Ready>;

const random = rng(0);
const normal = (...shape: number[]): Tensor => random.normal(shape);
const complex = (...shape: number[]): Tensor => asComplex(normal(...shape, 2));
const picture = ({ N = 1, H, W, C }: Size): Tensor => normal(N, H as number, W as number, C as number);
const on = (op: (...t: Tensor[]) => unknown, ...inputs: Tensor[]): Ready => ({
  inputs,
  work: () => void op(...inputs),
});
const convolution = ({ N = 1, H = 1, W = 1, I = 1, O = 1, k = 1 }: Size): [Tensor, Tensor, Tensor] => [
  normal(N, H, W, I),
  normal(O, I, k, k),
  normal(O),
];
/** The transfer function of a Gaussian blur would serve no better: the time does not depend on it. */
const otf = ({ H = 1, W = 1 }: Size): Tensor => complex(1, H, W, 1);

export const MAKERS: Record<string, Maker> = {
  conv2d: async () => {
    const { conv2d } = await import("../kernels/conv2d.ts");
    return (size) => {
      const { stride, padding } = size as { stride: number; padding: number };
      return on((x, w, b) => conv2d(x as Tensor, w as Tensor, { bias: b, stride, padding }), ...convolution(size));
    };
  },
  conv2d_vjp: async () => {
    const { conv2d } = await import("../kernels/conv2d.ts");
    return (size) => {
      const { stride, padding } = size as { stride: number; padding: number };
      const [x, w] = convolution(size);
      // outside the scope that prepares, which would end the tape
      const { value, pullback, dispose } = detached(() =>
        vjp((a: Tensor, b: Tensor) => conv2d(a, b, { stride, padding }), x, w),
      );
      const dy = normal(...value.shape);
      return { inputs: [x, w, dy, value], work: () => void pullback(dy), end: dispose };
    };
  },
  attention: async () => {
    const { attention } = await import("../kernels/attention.ts");
    return ({ N = 1, T = 1, C = 1, heads = 1 }) =>
      on(
        (q, k, v) => attention(q as Tensor, k as Tensor, v as Tensor, { heads }),
        normal(N, T, C),
        normal(N, T, C),
        normal(N, T, C),
      );
  },
  group_norm: async () => {
    const { groupNorm } = await import("../kernels/group_norm.ts");
    return (size) =>
      on(
        (x, g, b) => groupNorm(x as Tensor, g, b, { groups: 32, silu: true }),
        picture(size),
        normal(size.C as number),
        normal(size.C as number),
      );
  },
  matmul: async () => {
    const { matmul } = await import("../kernels/matmul.ts");
    return ({ m = 1, k = 1, n = 1 }) =>
      on((a, b) => matmul(a as Tensor, b as Tensor, { transposeB: true }), normal(m, k), normal(n, k));
  },
  fir_down: async () => {
    const { firDown } = await import("../kernels/fir.ts");
    return (size) => on((x) => firDown(x as Tensor), picture(size));
  },
  fir_up: async () => {
    const { firUp } = await import("../kernels/fir.ts");
    return (size) => on((x) => firUp(x as Tensor), picture(size));
  },
  pool: async () => {
    const { avgPool2 } = await import("../kernels/pool.ts");
    return (size) => on((x) => avgPool2(x as Tensor), picture(size));
  },
  nearest_up: async () => {
    const { nearestUp } = await import("../kernels/nearest_up.ts");
    return (size) => on((x) => nearestUp(x as Tensor), picture(size));
  },
  pixel_shuffle: async () => {
    const { pixelUnshuffle } = await import("../kernels/pixel_shuffle.ts");
    return (size) => on((x) => pixelUnshuffle(x as Tensor, 2), picture(size));
  },
  concat: async () => {
    const { concat } = await import("../kernels/concat.ts");
    return ({ C = 2, ...size }) =>
      on((a, b) => concat([a as Tensor, b as Tensor]), picture({ ...size, C: C / 2 }), picture({ ...size, C: C / 2 }));
  },
  slice: async () => {
    const { sliceChannels } = await import("../kernels/concat.ts");
    return (size) => on((x) => sliceChannels(x as Tensor, 0, (size.C as number) / 2), picture(size));
  },
  pad: async () => {
    const { pad } = await import("../kernels/pad.ts");
    return (size) => on((x) => pad(x as Tensor, [8, 8, 8, 8], "reflect"), picture(size));
  },
  lincomb: async () => {
    const { lincomb } = await import("../kernels/lincomb.ts");
    return ({ n = 1 }) => on((a, b) => lincomb(2, a as Tensor, 3, b as Tensor), normal(n), normal(n));
  },
  silu: async () => {
    const { silu } = await import("../kernels/elementwise.ts");
    return ({ n = 1 }) => on((x) => silu(x as Tensor), normal(n));
  },
  add: async () => {
    const { add } = await import("../kernels/broadcast.ts");
    return ({ n = 1 }) => on((x, b) => add(x as Tensor, b as Tensor), normal(n / 256, 256), normal(256));
  },
  sum: async () => {
    const { sum } = await import("../kernels/reduce.ts");
    return ({ n = 1 }) => on((x) => sum(x as Tensor), normal(n));
  },
  normal: async () => {
    return ({ n = 1 }) => ({ inputs: [], work: () => void random.normal([n]) });
  },
  adam: async () => {
    const { adamStep } = await import("../kernels/adam.ts");
    return ({ n = 1 }) => {
      const [param, grad, m, v] = [normal(n), normal(n), normal(n), tensor([n], new Float32Array(n).fill(1))];
      return { inputs: [param, grad, m, v], work: () => adamStep({ param, grad, m, v }, { lr: 1e-4, step: 1 }) };
    };
  },
  fft2: async () => {
    const { fft2 } = await import("../kernels/fft.ts");
    return ({ N = 1, H = 1, W = 1, C = 1 }) => on((x) => fft2(x as Tensor), complex(N, H, W, C));
  },
  rfft2: async () => {
    const { rfft2 } = await import("../kernels/rfft.ts");
    return (size) => on((x) => rfft2(x as Tensor), picture(size));
  },
  prox_mask: async () => {
    const { proxMask } = await import("../kernels/prox_mask.ts");
    return (size) =>
      on(
        (mask, y, v) => proxMask({ mask: mask as Tensor, y: y as Tensor, v: v as Tensor, rho: 0.5 }),
        picture({ ...size, C: 1 }),
        picture(size),
        picture(size),
      );
  },
  prox_fourier: async () => {
    const { proxFourier } = await import("../kernels/prox_fourier.ts");
    return (size) =>
      on(
        (b, y, v) => proxFourier({ otf: b as Tensor, y: y as Tensor, v: v as Tensor, rho: 0.5 }),
        otf(size),
        picture(size),
        picture(size),
      );
  },
  prox_aliased: async () => {
    const { proxAliased } = await import("../kernels/prox_aliased.ts");
    return ({ factor = 4, ...size }) => {
      const low = picture({ ...size, H: (size.H as number) / factor, W: (size.W as number) / factor });
      return on(
        (b, y, v) => proxAliased({ otf: b as Tensor, y: y as Tensor, v: v as Tensor, rho: 0.5, factor }),
        otf(size),
        low,
        picture(size),
      );
    };
  },
  // the network of the small prior with random weights: one call of it, and one step of its training
  prior: async () => {
    const net = await smallPrior();
    return ({ N = 1, H = 64 }) => {
      const flat = initialised(net);
      const x = normal(N, H, H, 3);
      return {
        inputs: [x, ...flat.chunks, ...Object.values(flat.tree)],
        work: () => void net.apply(flat.tree, x, new Array(N).fill(100)),
      };
    };
  },
  prior_training: async () => {
    const net = await smallPrior();
    const { edmLoss } = await import("../src/train/edm_loss.ts");
    const { adam } = await import("../src/train/optimiser.ts");
    return ({ N = 1, H = 64 }) => {
      const { optimiser, images } = detached(() => ({
        optimiser: adam(initialised(net), { maxNorm: 1 }),
        images: normal(N, H, H, 3),
      }));
      const loss = (p: typeof optimiser.params.tree) =>
        edmLoss(
          (x, logSigma) =>
            net.apply(
              p,
              x,
              logSigma.map((l) => 250 * l),
            ),
          images,
          random,
        );
      const work = () => {
        const { grad } = valueAndGrad(loss)(optimiser.params.tree);
        optimiser.step(grad, { step: 0, lr: 1e-4, emaDecay: 0.999 });
      };
      return { inputs: [images], work, end: () => optimiser.dispose() };
    };
  },
};

const initialised = (net: Net) => initParams(net, random);
async function smallPrior(): Promise<Net> {
  const { admUnet } = await import("../src/nets/adm_unet.ts");
  const { spaceToDepth } = await import("../src/nets/space_to_depth.ts");
  const sizes = {
    resolution: 32,
    inChannels: 12,
    outChannels: 12,
    channels: 32,
    multipliers: [1, 2, 4],
    blocks: 1,
    headChannels: 32,
  };
  return spaceToDepth(admUnet(sizes), 2);
}
