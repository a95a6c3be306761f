import wgsl from "../shaders/walsh_hadamard.wgsl";
import { ShapeError } from "../src/errors.ts";
import { grid1d, kernel } from "../src/tensor/kernel.ts";
import { op } from "../src/tensor/op.ts";
import { sizeOf } from "../src/tensor/shape.ts";
import type { Tensor } from "../src/tensor/tensor.ts";

interface Pass {
  radix: number;
  step: number;
  scale: number;
}
const floats = (x: Tensor) => x.size * (x.dtype === "c64" ? 2 : 1);
const run = kernel<Pass>({
  wgsl,
  consts: (_, { radix }) => ({ RADIX: radix }),
  params: ({ x }, { radix, step, scale }) => ({ n: floats(x) / radix, step, scale }),
  shapes: ({ x }) => ({ y: x.shape }),
  grid: ({ x }, { radix }, wg) => grid1d(floats(x) / radix, wg),
  complex: true,
});

const apply = op<{ axis: number; scale: number }>({
  name: "walshHadamard",
  forward([x], { axis, scale }) {
    let now = x as Tensor;
    const n = now.shape[axis] as number;
    let step = sizeOf(now.shape.slice(axis + 1)) * (now.dtype === "c64" ? 2 : 1);
    for (let left = n; ; ) {
      const radix = Math.min(left, 16);
      left /= radix;
      const next = run({ x: now }, { radix, step, scale: left === 1 ? scale : 1 }).y as Tensor;
      if (now !== x) now.dispose();
      if (left === 1) return { out: next };
      step *= radix;
      now = next;
    }
  },
  // the matrix is symmetric
  vjp: (dy, _, options): Tensor[] => [apply([dy], options)],
});

/**
 * The Walsh-Hadamard transform along an axis of 2^k numbers, in natural order: y_i = sum over j of (-1)^popcount(i & j) x_j, over
 * 2^(k/2) for norm "ortho", which makes it its own inverse.
 */
export function walshHadamard(
  x: Tensor,
  { axis = -1, norm = "ortho" }: { axis?: number; norm?: "ortho" | "none" } = {},
): Tensor {
  const at = axis < 0 ? x.shape.length + axis : axis;
  const n = x.shape[at];
  if (n === undefined || n < 1 || !Number.isInteger(Math.log2(n)))
    throw new ShapeError(
      `walshHadamard: a power of two expected along axis ${axis} of [${x.shape}]; pad it with zeros`,
    );
  return apply([x], { axis: at, scale: norm === "ortho" ? n ** -0.5 : 1 });
}
