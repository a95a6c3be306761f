/** What the official classes share: inputs as PyTorch has them, NCHW, and networks as ours are. */
import { reshape } from "../kernels/reshape.ts";
import { transpose } from "../kernels/transpose.ts";
import { ShapeError, WeightsError } from "./errors.ts";
import type { Module, Net, Params, Specs } from "./nets/net.ts";
import type { Tensor } from "./tensor/tensor.ts";

/** An input as it is stored: NCHW, row-major. */
export interface Given {
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}

export interface Network {
  readonly parameters: Readonly<Specs>;
  /** What else its checkpoints hold. */
  readonly buffers?: Module<[]>["buffers"];
  /** Names of what it takes beside the picture `x`; a name in brackets may be left out. */
  readonly inputs: readonly string[];
  /** What its `x` must be, where that is a picture [N, channels, H, W]: H and W multiples of `multipleOf`. */
  readonly picture?: { readonly channels: number; readonly multipleOf: number };
  /** What the official forward gives for these inputs, in its layout. */
  forward(params: Params, x: Tensor, given: ReadonlyMap<string, Given>): Tensor;
}

/** [N, C, H, W] to [N, H, W, C]. */
export function nhwc(x: Tensor): Tensor {
  if (x.shape.length !== 4) throw new ShapeError(`x: expected [N, C, H, W], got [${x.shape}]`);
  const [N, C, H, W] = x.shape as [number, number, number, number];
  return reshape(transpose(reshape(x, [N, C, H * W])), [N, H, W, C]);
}
/** [N, H, W, C] to [N, C, H, W]. */
export function nchw(x: Tensor): Tensor {
  const [N, H, W, C] = x.shape as [number, number, number, number];
  return reshape(transpose(reshape(x, [N, H * W, C])), [N, C, H, W]);
}

/** One number per sample: the noise level or time that an input gives. */
export function times(given: ReadonlyMap<string, Given>, name: string, N: number): number[] {
  const values = Array.from((given.get(name) as Given).data);
  if (values.length === 1) return new Array<number>(N).fill(values[0] as number);
  if (values.length !== N) throw new WeightsError(`${name}: expected 1 number or ${N}, got ${values.length}`);
  return values;
}

/** What a network declares. */
export const declared = ({ parameters, buffers }: Pick<Module<[]>, "parameters" | "buffers">) => ({
  parameters,
  ...(buffers && { buffers }),
});

/** The same of a network on pictures. */
export const declaredNet = (net: Pick<Net, "parameters" | "buffers" | "inChannels" | "multipleOf">) => ({
  ...declared(net),
  picture: { channels: net.inChannels, multipleOf: net.multipleOf },
});

/** Refuses an `x` that the network cannot take, before anything runs. */
export function checkPicture({ picture }: Pick<Network, "picture">, shape: readonly number[], who: string): void {
  if (!picture) return;
  const { channels, multipleOf: m } = picture;
  const [, C, H = 0, W = 0] = shape;
  const expected = `${who}: expected x [N, ${channels}, H, W]${m > 1 ? ` with H and W multiples of ${m}` : ""}, got [${shape.join(", ")}]`;
  if (shape.length !== 4 || C !== channels)
    throw new ShapeError(`${expected}; give NCHW with the ${channels} channels that the network was made for`);
  if (H < 1 || W < 1 || H % m || W % m) throw new ShapeError(`${expected}; pad or crop it`);
}
