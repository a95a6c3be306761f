/** The official classes that are no diffusion models: judges, features, MRI, and RAM. */
import { cast } from "../kernels/cast.ts";
import { affine } from "../kernels/elementwise.ts";
import { asComplex, reshape } from "../kernels/reshape.ts";
import { transpose } from "../kernels/transpose.ts";
import { declared, type Given, type Network, nchw, nhwc, times } from "./architectures_shared.ts";
import { WeightsError } from "./errors.ts";
import { type LpipsNet, lpips } from "./metrics/lpips.ts";
import { alexnet } from "./nets/alexnet.ts";
import { officialDiscriminator } from "./nets/discriminator.ts";
import { inception } from "./nets/inception.ts";
import { normUnet } from "./nets/norm_unet.ts";
import { ram } from "./nets/ram.ts";
import { squeezenet } from "./nets/squeezenet.ts";
import type { Trunk } from "./nets/trunk.ts";
import { officialVarnet } from "./nets/varnet.ts";
import { vgg16 } from "./nets/vgg.ts";
import { identity } from "./physics/identity.ts";
import { type Tensor, tensor } from "./tensor/tensor.ts";

/** UD2M's discriminator: the probability that `x` restores what `cond` shows, [N, 1]. */
export function judge(config: Parameters<typeof officialDiscriminator>[0]): Network {
  const net = officialDiscriminator(config);
  return {
    ...declared(net),
    inputs: ["cond"],
    forward(p, x, given) {
      const { shape, data } = given.get("cond") as Given;
      const y = net.apply(p, nhwc(x), nhwc(tensor(shape, data, x.dtype)), { sigmoid: true });
      return reshape(y, [x.shape[0] as number, 1]);
    },
  };
}

/** The 2048 features of FID, from pictures in [0, 1]. */
export function features(): Network {
  const net = inception();
  return { ...declared(net), inputs: [], forward: (p, x) => net.apply(p, affine(nhwc(x), 2, -1)) };
}

const TRUNKS: Readonly<Record<string, () => Trunk>> = { vgg16, alexnet, squeezenet1_1: squeezenet };

/** A classifier's convolutions, on pictures as torchvision normalises them: the last of the features that LPIPS compares. */
export function trunkNetwork(kind: string): Network {
  const net = (TRUNKS[kind] as () => Trunk)();
  return { ...declared(net), inputs: [], forward: (p, x) => nchw(net.apply(p, nhwc(x)).at(-1) as Tensor) };
}

/** LPIPS of `x` (the published code's in0) and `in1`, pictures in [-1, 1]: [N, 1, 1, 1]. */
export function lpipsNetwork({ net: kind, trunk = true }: { net: LpipsNet; trunk?: boolean }): Network {
  if (!trunk) throw new WeightsError(`these are the heads for ${kind} alone; LPIPS needs the trunk too`);
  const net = lpips({ net: kind });
  return {
    ...declared(net),
    inputs: ["in1"],
    forward(p, x, given) {
      const { shape, data } = given.get("in1") as Given;
      const d = net.apply(p, nhwc(x), nhwc(tensor(shape, data, x.dtype)));
      return reshape(d, [x.shape[0] as number, 1, 1, 1]);
    },
  };
}

export interface RamArguments {
  in_channels?: readonly number[];
  nc?: readonly number[];
  nb?: number;
}
/** RAM by the arguments that its tensors show. */
export const ramOf = ({ in_channels: pictures, nc, nb: blocks }: RamArguments) =>
  ram({
    ...(pictures && { pictures }),
    ...(nc && { channels: nc as [number, number, number, number] }),
    ...(blocks && { blocks }),
  });

/** RAM as a denoiser, the one operator that a file can give: `x` in [0, 1] with noise of deviation `sigma`. */
export function ramNetwork(config: RamArguments): Network {
  const net = ramOf(config);
  return {
    ...declared(net),
    inputs: ["(sigma)", "(gamma)"],
    forward(p, x, given) {
      const y = cast(nhwc(x), "f32");
      const [N, ...shape] = y.shape as [number, number, number, number];
      const noise = Object.fromEntries(
        ["sigma", "gamma"].flatMap((name) => (given.has(name) ? [[name, times(given, name, N)]] : [])),
      );
      return nchw(net.apply(p, y, identity(shape), noise));
    },
  };
}

/** Of complex pictures [N, coils, H, W, 2]; inside, the real parts of all coils come before the imaginary ones. */
export function normUnetNetwork({
  chans,
  num_pools,
  ...more
}: {
  chans: number;
  num_pools: number;
  in_chans?: number;
}): Network {
  const net = normUnet({ channels: chans, pools: num_pools, planes: more.in_chans ?? 2 });
  return {
    ...declared(net),
    inputs: [],
    forward(p, given) {
      const x = cast(given, "f32"); // k-space and its norms, whatever the weights are
      const [N, coils, H, W] = x.shape as [number, number, number, number];
      if (x.shape.length !== 5 || x.shape[4] !== 2)
        throw new WeightsError(`x: expected [N, coils, H, W, 2], got [${x.shape}]`);
      const planes = reshape(transpose(reshape(x, [N, coils, H * W * 2])), [N, H, W, 2 * coils]);
      return reshape(transpose(reshape(net.apply(p, planes), [N, H * W * 2, coils])), x.shape);
    },
  };
}

/** `x` (fastMRI: masked_kspace) [N, coils, H, W, 2] and `mask`, its last axes [W, 1], to a picture [N, H, W]. */
export function varnetNetwork(config: Parameters<typeof officialVarnet>[0]): Network {
  const net = officialVarnet(config);
  return {
    ...declared(net),
    inputs: ["mask", "(num_low_frequencies)"],
    forward(p, measured, given) {
      const x = cast(measured, "f32");
      const [N, coils, H, W] = x.shape as [number, number, number, number];
      if (x.shape.length !== 5 || x.shape[4] !== 2)
        throw new WeightsError(`x: expected k-space [N, coils, H, W, 2], got [${x.shape}]`);
      const planes = transpose(reshape(x, [N, coils, H * W * 2])); // [N, (pixels, re | im), coils]
      const k = asComplex(reshape(transpose(reshape(planes, [N, H * W, 2, coils])), [N, H, W, coils, 2]));
      const mask = Array.from((given.get("mask") as Given).data).slice(0, W);
      const low = given.get("num_low_frequencies")?.data[0];
      return reshape(net.apply(p, k, { mask, ...(low ? { lowFrequencies: low } : {}) }), [N, H, W]);
    },
  };
}
