import wgsl from "../shaders/prox_mask.wgsl";
import { ShapeError } from "../src/errors.ts";
import { grid1d, kernel } from "../src/tensor/kernel.ts";
import { op } from "../src/tensor/op.ts";
import { type Shape, sameShape } from "../src/tensor/shape.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { proxScale } from "./prox_scale.ts";

interface Options {
  s: number;
  r: number;
}
const floats = (t: Tensor) => (t.dtype === "c64" ? 2 : 1);

const run = kernel<Options>({
  wgsl,
  params: ({ mask, y, v }, { s, r }) => {
    const t = y ?? v;
    const D = mask.shape.at(-1);
    return { n: t.size * floats(t), E: t.shape.at(-1) * floats(t), D, pixels: mask.size / D, s, r };
  },
  shapes: ({ y, v }) => ({ x: (y ?? v).shape }),
  grid: ({ y, v }, _, wg) => grid1d((y ?? v).size * floats(y ?? v), wg),
  overrides: ({ y, v }) => ({ HAS_Y: Number(Boolean(y)), HAS_V: Number(Boolean(v)) }),
  complex: true,
});

const apply = op<Options>({
  name: "proxMask",
  forward([mask, y, v], options) {
    return { out: run({ mask, y, v }, options).x as Tensor, saved: [mask] };
  },
  // a diagonal matrix is its own adjoint
  vjp: (dx, [mask]: [Tensor], options, needs): (Tensor | null)[] => [
    null,
    needs[1] ? apply([mask, dx, undefined], options) : null,
    needs[2] ? apply([mask, undefined, dx], options) : null,
  ],
});

const fits = (mask: Shape, [n, h, w, c]: Shape) =>
  mask.length === 4 && [1, n].includes(mask[0]) && mask[1] === h && mask[2] === w && [1, c].includes(mask[3]);

/**
 * argmin ½|m x - y|² + (rho/2)|x - v|²: inpainting's data step, exact for any weights m, and for rho 0 and Infinity.
 * Where m = 0, x = v. No gradient flows to the mask.
 */
export function proxMask({ mask, y, v, rho }: { mask: Tensor; y: Tensor; v: Tensor; rho: number }): Tensor {
  if (!sameShape(y.shape, v.shape) || y.dtype !== v.dtype)
    throw new ShapeError(`proxMask: y is ${y.dtype} [${y.shape}], v ${v.dtype} [${v.shape}]; they must be alike`);
  if (v.shape.length !== 4 || mask.dtype !== "f32" || !fits(mask.shape, v.shape))
    throw new ShapeError(
      `proxMask: expected an f32 mask [1 | N, H, W, 1 | C] for [${v.shape}], got ${mask.dtype} [${mask.shape}]`,
    );
  return apply([mask, y, v], proxScale("proxMask", rho));
}
