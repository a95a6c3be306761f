import wgsl from "../shaders/reduce.wgsl";
import { ShapeError } from "../src/errors.ts";
import { grid1d, kernel } from "../src/tensor/kernel.ts";
import { op } from "../src/tensor/op.ts";
import { scope } from "../src/tensor/scope.ts";
import { type Shape, sameShape, sizeOf } from "../src/tensor/shape.ts";
import { Tensor } from "../src/tensor/tensor.ts";
import { broadcastTo, mul } from "./broadcast.ts";
import { cast } from "./cast.ts";
import { conjMul } from "./complex.ts";
import { lincomb } from "./lincomb.ts";
import { asReal, reshape } from "./reshape.ts";

export interface ReduceOptions {
  /** Which axes to sum over; negative ones count from the end. Default: all. */
  axes?: readonly number[];
  /** Leaves the summed axes in place, with extent 1. */
  keep?: boolean;
}
interface Fold {
  O: number;
  L: number;
  W: number;
  mode: number;
  scale: number;
}

const fold = kernel<Fold>({
  wgsl,
  params: (_, { O, L, W, scale, ...rest }) => {
    const v = lanes({ O, L, W, scale, ...rest });
    return { n: (O * W) / v, L: L / v, W: W / v, scale };
  },
  shapes: (_, { O, W }) => ({ out: [O, W] }),
  grid: (_, f, wg) => grid1d((f.O * f.W) / lanes(f), wg),
  lanes: (_, f) => lanes(f),
  overrides: (_, { mode }) => ({ MODE: mode }),
  complex: true,
});
const lanes = ({ L, W }: Fold): 1 | 4 => (L % 4 === 0 && W % 4 === 0 ? 4 : 1);

/** Elements that one invocation adds up before another takes over. */
const RUN = 64;

/** Sums the middle axis of [O, R, I], to [O, I]. */
function reduceMiddle(
  x: Tensor,
  z: Tensor | undefined,
  [O, R, I]: readonly [number, number, number],
  mode: number,
  scale: number,
): Tensor {
  let from = x;
  let segments = R;
  let first = true;
  for (;;) {
    let next = Math.max(1, Math.ceil(segments / RUN));
    // a multiple of 4 lets rows of any width be read as vectors
    if (next > 1) next = Math.ceil(next / 4) * 4;
    const f = { O, L: segments * I, W: next * I, mode: first ? mode : 0, scale: next === 1 ? scale : 1 };
    from = fold({ x: from, z: first ? z : undefined }, f).out as Tensor;
    if (next === 1) return from;
    segments = next;
    first = false;
  }
}

interface Options {
  /** Axes of x summed over, in increasing order. */
  axes: readonly number[];
  shape: Shape;
  mode: "sum" | "squares" | "dot";
  scale: number;
}

/** Sums over any axes: neighbouring ones together, the last group first. */
function reduce(x: Tensor, z: Tensor | undefined, { axes, shape, mode, scale }: Options): Tensor {
  return scope(() => {
    const extents = x.dtype === "c64" ? [...x.shape, 2] : [...x.shape];
    const summed = extents.map((_, i) => axes.includes(i));
    let from = x;
    let left = mode === "squares" ? 1 : mode === "dot" ? 2 : 0;
    let other = z;
    let done = false;
    for (let end = extents.length; end > 0; end--) {
      if (!summed[end - 1]) continue;
      let start = end;
      while (start > 0 && summed[start - 1]) start--;
      const more = summed.slice(0, start).includes(true);
      const dims = [
        sizeOf(extents.slice(0, start)),
        sizeOf(extents.slice(start, end)),
        sizeOf(extents.slice(end)),
      ] as const;
      from = reduceMiddle(from, other, dims, left, more ? 1 : scale);
      extents.fill(1, start, end);
      [left, other, done] = [0, undefined, true];
      end = start + 1;
    }
    if (!done) from = reduceMiddle(from, other, [1, 1, sizeOf(extents)], left, scale);
    return new Tensor(shape, x.dtype === "c64" && mode !== "squares" ? "c64" : "f32", from.storage, from.offset);
  });
}

const kept = (shape: Shape, axes: readonly number[]): Shape => shape.map((n, i) => (axes.includes(i) ? 1 : n));

const apply = op<Options>({
  name: "reduce",
  forward([x, z], options) {
    return { out: reduce(x as Tensor, z, options), saved: [x, z] };
  },
  vjp(dy, [x, z]: [Tensor, Tensor], { axes, mode, scale }, needs) {
    const g = reshape(scale === 1 ? dy : lincomb(scale, dy), kept(x.shape, axes));
    if (mode === "sum") return [cast(broadcastTo(g, x.shape), x.dtype)];
    const h = cast(g, x.dtype === "f16" ? "f16" : g.dtype);
    if (mode === "squares") return [mul(x, lincomb(2, h))];
    return [needs[0] ? mul(z, h) : null, needs[1] ? mul(x, h) : null];
  },
});

function options(
  name: string,
  x: Tensor,
  { axes, keep = false }: ReduceOptions,
  mode: Options["mode"],
  mean = false,
): Options {
  const rank = x.shape.length;
  const all = axes ?? x.shape.map((_, i) => i);
  const picked = [...new Set(all.map((a) => (a < 0 ? a + rank : a)))].sort((a, b) => a - b);
  if (picked.some((a) => !Number.isInteger(a) || a < 0 || a >= rank))
    throw new ShapeError(`${name}: axes [${all}] of [${x.shape}]`);
  const shape = keep ? kept(x.shape, picked) : x.shape.filter((_, i) => !picked.includes(i));
  return { axes: picked, shape, mode, scale: mean ? 1 / sizeOf(picked.map((a) => x.shape[a] as number)) : 1 };
}

/** The sum over some axes, or all. Halves are added up in f32, and their sum is f32. */
export const sum = (x: Tensor, o: ReduceOptions = {}): Tensor => apply([x], options("sum", x, o, "sum"));
/** The mean over some axes, or all. */
export const mean = (x: Tensor, o: ReduceOptions = {}): Tensor => apply([x], options("mean", x, o, "sum", true));
/** The sum of squared moduli: real, also for complex x. */
export function sumSquares(x: Tensor, o: ReduceOptions = {}): Tensor {
  if (x.dtype !== "c64") return apply([x], options("sumSquares", x, o, "squares"));
  const opts = options("sumSquares", x, o, "squares");
  return reshape(sumSquares(asReal(x), { axes: [...opts.axes, -1] }), opts.shape);
}
/** The inner product over some axes, or all: sum a b, for complex tensors sum conj(a) b. */
export function dot(a: Tensor, b: Tensor, o: ReduceOptions = {}): Tensor {
  if (!sameShape(a.shape, b.shape) || a.dtype !== b.dtype)
    throw new ShapeError(`dot: a is ${a.dtype} [${a.shape}], b is ${b.dtype} [${b.shape}]`);
  return a.dtype === "c64" ? sum(conjMul(a, b), o) : apply([a, b], options("dot", a, o, "dot"));
}

/** x summed over the axes along which `shape` was stretched to x's: the gradient of broadcasting. Keeps the dtype. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const lead = x.shape.length - shape.length;
  const axes = x.shape.flatMap((n, i) => (i < lead || (shape[i - lead] === 1 && n !== 1) ? [i] : []));
  if (x.shape.some((n, i) => !axes.includes(i) && shape[i - lead] !== n))
    throw new ShapeError(`sumTo: [${x.shape}] does not sum to [${shape}]`);
  const total = axes.every((i) => x.shape[i] === 1) ? x : cast(sum(x, { axes }), x.dtype);
  return reshape(total, shape);
}
