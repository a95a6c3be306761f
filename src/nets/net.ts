import { ShapeError } from "../errors.ts";
import { type Flat, flat } from "../tensor/flat.ts";
import { computed } from "../tensor/given.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import { type Tensor, tensor, upload } from "../tensor/tensor.ts";

/** A parameter before it has numbers. `init`: a constant, uniform in +-1/sqrt(fanIn) as PyTorch does, or normal. */
export interface ParamSpec {
  readonly shape: Shape;
  readonly init: number | { readonly fanIn: number } | { readonly std: number };
  /** Statistics, filters, frequencies that the checkpoint keeps with the parameters: neither trained nor counted. */
  readonly buffer?: true;
  /** Drawn once and never trained, though the checkpoint counts it among the parameters. */
  readonly fixed?: true;
}
/** Parameters by their names in the checkpoint, in its order, in PyTorch's shapes. */
export type Params = Readonly<Record<string, Tensor>>;
export type Specs = Record<string, ParamSpec>;

/** One number per sample, or one for all. */
export type PerSample = number | readonly number[];

/** What else a network may be told: of each sample, and how to run. */
export interface Labels {
  /** The class: an index, or weights over all classes (one-hot, or zeros for none). */
  readonly label?: readonly number[] | readonly (readonly number[])[];
  /** How the sample was augmented (EDM): zeros at inference. */
  readonly augment?: readonly (readonly number[])[];
  /** Blocks run again for the gradient instead of keeping their inside; see `checkpointed`. */
  readonly checkpoint?: boolean;
}

/** Parameters and a function of them: what it needs, by the checkpoint's names. It owns no numbers. */
export interface Module<Args extends readonly unknown[], Out = Tensor> {
  readonly name: string;
  readonly parameters: Readonly<Specs>;
  /** Names and shapes of what else its checkpoints hold, which is computed here instead. */
  readonly buffers?: Readonly<Record<string, Shape>>;
  apply(params: Params, ...args: Args): Out;
}

/** A network on pictures: x [N, H, W, inChannels] at time or noise label t, to [N, H, W, outChannels]. */
export interface Net extends Module<[x: Tensor, t: PerSample, labels?: Labels]> {
  readonly inChannels: number;
  readonly outChannels: number;
  /** Heights and widths must be multiples of this. */
  readonly multipleOf: number;
}

/** A network that is told nothing but the picture; it serves wherever a `Net` does. */
export interface PictureNet extends Module<[x: Tensor]>, Omit<Net, keyof Module<[]>> {}

export const shapesOf = (specs: Readonly<Specs>): Record<string, Shape> =>
  Object.fromEntries(Object.entries(specs).map(([name, { shape }]) => [name, shape]));

export const countParameters = ({ parameters }: { readonly parameters: Readonly<Specs> }): number =>
  Object.values(parameters).reduce((sum, { shape, buffer }) => sum + (buffer ? 0 : sizeOf(shape)), 0);

/** Fresh parameters, drawn on the host so that they are the same on every adapter. */
export function initParams({ parameters }: { readonly parameters: Readonly<Specs> }, rng: { number(): number }): Flat {
  const made = flat(shapesOf(parameters));
  for (const [name, { shape, init }] of Object.entries(parameters))
    upload(made.tree[name] as Tensor, Float32Array.from({ length: sizeOf(shape) }, drawing(init, rng)));
  return made;
}

function drawing(init: ParamSpec["init"], rng: { number(): number }): () => number {
  if (typeof init === "number") return () => init;
  if ("std" in init)
    return () => init.std * Math.sqrt(-2 * Math.log(rng.number())) * Math.cos(2 * Math.PI * rng.number());
  const bound = 1 / Math.sqrt(init.fanIn);
  return () => bound * (2 * rng.number() - 1);
}

export const perSample = (t: PerSample, N: number): number[] =>
  typeof t === "number" ? new Array(N).fill(t) : t.slice();

/** What `Labels` say of classes or augmentation, as rows [N, width]. */
export function labelRows(who: string, given: Labels["label"], N: number, width: number): Tensor {
  if (given?.length !== N)
    throw new ShapeError(`${who}: it is class-conditional: ${N} labels expected, got ${given?.length ?? "none"}`);
  const fill = (labels: readonly (number | readonly number[])[]) => {
    const rows = new Float32Array(N * width);
    labels.forEach((row, n) => {
      if (typeof row !== "number") {
        if (row.length !== width)
          throw new ShapeError(`${who}: a label of ${width} weights expected, got ${row.length} for sample ${n}`);
        rows.set(row, n * width);
      } else if (Number.isInteger(row) && row >= 0 && row < width) rows[n * width + row] = 1;
      else throw new ShapeError(`${who}: a class of 0 to ${width - 1} expected, got ${row} for sample ${n}`);
    });
    return rows;
  };
  return tensor([N, width], computed(given as readonly number[], fill)); // in a plan, classes change from call to call
}
