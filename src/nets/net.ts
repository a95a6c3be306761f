import { type Flat, flat } from "../tensor/flat.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import { type Tensor, upload } from "../tensor/tensor.ts";

/** A parameter before it has numbers. `init`: uniform in +-1/sqrt(fanIn) as PyTorch does, or a constant. */
export interface ParamSpec {
  readonly shape: Shape;
  readonly init: number | { readonly fanIn: number };
}
/** Parameters by their names in the checkpoint, in its order, in PyTorch's shapes. */
export type Params = Readonly<Record<string, Tensor>>;
export type Specs = Record<string, ParamSpec>;

/** One number per sample, or one for all. */
export type PerSample = number | readonly number[];

/** A network: what it needs, and the function. It owns no numbers. */
export interface Net {
  readonly name: string;
  readonly inChannels: number;
  readonly outChannels: number;
  /** Heights and widths must be multiples of this. */
  readonly multipleOf: number;
  readonly parameters: Readonly<Specs>;
  /** x [N, H, W, inChannels] at time or noise label t, to [N, H, W, outChannels]. */
  apply(params: Params, x: Tensor, t: PerSample, label?: readonly number[]): Tensor;
}

export const shapesOf = (specs: Readonly<Specs>): Record<string, Shape> =>
  Object.fromEntries(Object.entries(specs).map(([name, { shape }]) => [name, shape]));

export const countParameters = ({ parameters }: Net): number =>
  Object.values(parameters).reduce((sum, { shape }) => sum + sizeOf(shape), 0);

/** Fresh parameters, drawn on the host so that they are the same on every adapter. */
export function initParams({ parameters }: Net, rng: { number(): number }): Flat {
  const made = flat(shapesOf(parameters));
  for (const [name, { shape, init }] of Object.entries(parameters)) {
    const bound = typeof init === "number" ? 0 : 1 / Math.sqrt(init.fanIn);
    const draw = typeof init === "number" ? () => init : () => bound * (2 * rng.number() - 1);
    upload(made.tree[name] as Tensor, Float32Array.from({ length: sizeOf(shape) }, draw));
  }
  return made;
}

export const perSample = (t: PerSample, N: number): number[] => (typeof t === "number" ? new Array(N).fill(t) : [...t]);
