import wgsl from "../shaders/concat.wgsl";
import { ShapeError } from "../src/errors.ts";
import { grid1d, type Inputs, kernel, lanesFor } from "../src/tensor/kernel.ts";
import { op } from "../src/tensor/op.ts";
import { scope } from "../src/tensor/scope.ts";
import { type Shape, sameShape, sizeOf } from "../src/tensor/shape.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { crop } from "./pad.ts";
import { reshape } from "./reshape.ts";

interface Options {
  axis: number;
}
const given = ({ a, b, c, d }: Inputs): Tensor[] => [a, b, c, d].filter((t) => t !== undefined);
/** Floats in one row of t: all that lies from the axis inwards. */
const width = (t: Tensor, axis: number) => sizeOf(t.shape.slice(axis)) * (t.dtype === "c64" ? 2 : 1);
const lanes = (inputs: Inputs, axis: number) => lanesFor(...given(inputs).map((t) => width(t, axis)));
const joined = (xs: readonly Tensor[], axis: number): Shape =>
  (xs[0] as Tensor).shape.map((n, i) => (i === axis ? xs.reduce((sum, t) => sum + (t.shape[axis] as number), 0) : n));
const vectors = (inputs: Inputs, axis: number) =>
  given(inputs).reduce((sum, t) => sum + t.size * (t.dtype === "c64" ? 2 : 1), 0) / lanes(inputs, axis);

const run = kernel<Options>({
  wgsl,
  params: (inputs, { axis }) => {
    const [A = 0, B = 0, C = 0, D = 0] = given(inputs).map((t) => width(t, axis) / lanes(inputs, axis));
    return { n: vectors(inputs, axis), width: A + B + C + D, A, B, C, D };
  },
  shapes: (inputs, { axis }) => ({ y: joined(given(inputs), axis) }),
  grid: (inputs, { axis }, wg) => grid1d(vectors(inputs, axis), wg),
  lanes: (inputs, { axis }) => lanes(inputs, axis),
  complex: true,
});
const apply = op<Options & { counts: readonly number[] }>({
  name: "concat",
  forward: ([a, b, c, d], options) => ({ out: run({ a, b, c, d }, options).y as Tensor }),
  vjp: (dy, _, { axis, counts }, needs) => {
    let start = 0;
    return counts.map((count, i) => {
      start += count;
      return needs[i] ? slice(dy, axis, start - count, count) : null;
    });
  },
});

/** Tensors one after the other along an axis, by default the last: channels. */
export function concat(xs: readonly Tensor[], axis = -1): Tensor {
  const [first] = xs;
  if (!first) throw new TypeError("concat: no tensors");
  const at = axisOf("concat", first, axis);
  for (const [k, x] of xs.entries()) {
    const fits = x.shape.length === first.shape.length && x.shape.every((n, i) => i === at || n === first.shape[i]);
    if (!fits || x.dtype !== first.dtype)
      throw new ShapeError(
        `concat: tensor ${k} is ${x.dtype} [${x.shape}], the first ${first.dtype} [${first.shape}]; they may differ along axis ${at} only`,
      );
  }
  if (xs.length === 1) return reshape(first, first.shape);
  if (xs.length <= 4) return apply(xs, { axis: at, counts: xs.map((t) => t.shape[at] as number) });
  const quarter = Math.ceil(xs.length / 4); // so that each number is copied log4 n times
  return scope(() =>
    concat(
      [0, 1, 2, 3]
        .map((k) => xs.slice(k * quarter, (k + 1) * quarter))
        .flatMap((x) => (x.length ? [concat(x, at)] : [])),
      at,
    ),
  );
}
/** Batches one after the other. */
export const concatBatch = (xs: readonly Tensor[]): Tensor => concat(xs, 0);

/** Tensors of one shape along a new first axis. */
export function stack(xs: readonly Tensor[]): Tensor {
  const odd = xs.find((x) => !sameShape(x.shape, (xs[0] as Tensor).shape));
  if (odd) throw new ShapeError(`stack: expected tensors of one shape, got [${xs[0]?.shape}] and [${odd.shape}]`);
  return concat(
    xs.map((x) => reshape(x, [1, ...x.shape])),
    0,
  );
}

/** `count` entries along an axis, from `start` on: a crop of the tensor seen as an image of L rows and one column. */
export function slice(x: Tensor, axis: number, start: number, count: number): Tensor {
  const at = axisOf("slice", x, axis);
  const L = x.shape[at] as number;
  if (!Number.isInteger(start) || !Number.isInteger(count) || start < 0 || count < 1 || start + count > L)
    throw new ShapeError(`slice: ${start} to ${start + count} does not lie in axis ${at} of [${x.shape}]`);
  const inner = sizeOf(x.shape.slice(at + 1));
  const floats = inner * (x.dtype === "c64" ? 2 : 1);
  // several entries make one row where that lets the crop move vectors
  const f = [1, 2, 4].find((k) => (floats * k) % 4 === 0 && [L, start, count].every((n) => n % k === 0)) ?? 1;
  const seen = reshape(x, [sizeOf(x.shape.slice(0, at)), L / f, 1, inner * f]);
  return reshape(
    crop(seen, [start / f, 0, count / f, 1]),
    x.shape.map((n, i) => (i === at ? count : n)),
  );
}
/** Channels start to start + count. */
export const sliceChannels = (x: Tensor, start: number, count: number): Tensor => slice(x, -1, start, count);
/** Samples start to start + count. */
export const sliceBatch = (x: Tensor, start: number, count: number): Tensor => slice(x, 0, start, count);

/** The tensor cut into pieces of these sizes along an axis, by default the last. */
export function split(x: Tensor, sizes: readonly number[], axis = -1): Tensor[] {
  const at = axisOf("split", x, axis);
  if (sizes.reduce((a, b) => a + b, 0) !== x.shape[at])
    throw new ShapeError(`split: sizes ${sizes.join(" + ")} do not add up to axis ${at} of [${x.shape}]`);
  let start = 0;
  return sizes.map((count) => {
    start += count;
    return slice(x, at, start - count, count);
  });
}

function axisOf(name: string, x: Tensor, axis: number): number {
  const at = axis < 0 ? x.shape.length + axis : axis;
  if (!(at in x.shape)) throw new RangeError(`${name}: [${x.shape}] has no axis ${axis}`);
  return at;
}
