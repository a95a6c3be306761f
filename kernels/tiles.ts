import wgsl from "../shaders/tiles.wgsl";
import wgslUntile from "../shaders/untile.wgsl";
import { ShapeError } from "../src/errors.ts";
import { grid1d, kernel, lanesFor } from "../src/tensor/kernel.ts";
import { op } from "../src/tensor/op.ts";
import type { Shape } from "../src/tensor/shape.ts";
import type { Tensor } from "../src/tensor/tensor.ts";

interface Options {
  /** Side of a tile, and the distance between two. */
  tile: number;
  stride: number;
  picture: Shape;
}
const counts = ({ tile, stride, picture: [, H, W] }: Options) =>
  [((H as number) - tile) / stride + 1, ((W as number) - tile) / stride + 1] as const;

const spec = (text: string, toTiles: boolean) => {
  const shape = (o: Options): Shape => {
    const [Ty, Tx] = counts(o);
    const [N, , , C] = o.picture as [number, number, number, number];
    return toTiles ? [N * Ty * Tx, o.tile, o.tile, C] : o.picture;
  };
  const lanes = ({ picture }: Options) => lanesFor(picture[3] as number);
  const n = (o: Options) => shape(o).reduce((a, b) => a * b, 1) / lanes(o);
  return kernel<Options>({
    wgsl: text,
    lanes: (_, o) => lanes(o),
    params(_, o) {
      const [Ty, Tx] = counts(o);
      const [, H, W, C] = o.picture as [number, number, number, number];
      return { H, W, C: C / lanes(o), Ty, Tx, T: o.tile, S: o.stride, n: n(o) };
    },
    shapes: (_, o) => ({ y: shape(o) }),
    grid: (_, o, wg) => grid1d(n(o), wg),
  });
};
const cut = spec(wgsl, true);
const add = spec(wgslUntile, false);

const tilesOp = op<Options>({
  name: "tiles",
  forward: ([x], o) => ({ out: cut({ x }, o).y as Tensor }),
  vjp: (dy, _, o): Tensor[] => [untileOp([dy], o)],
});
const untileOp = op<Options>({
  name: "untile",
  forward: ([x], o) => ({ out: add({ x }, o).y as Tensor }),
  vjp: (dy, _, o): Tensor[] => [tilesOp([dy], o)],
});

function check(who: string, o: Options): void {
  if (o.picture.length !== 4 || counts(o).some((n) => n < 1 || !Number.isInteger(n)))
    throw new ShapeError(
      `${who}: tiles of ${o.tile} every ${o.stride} do not cover [${o.picture}] exactly; pad it first`,
    );
}

/** Overlapping tiles [N Ty Tx, tile, tile, C] of x [N, H, W, C], which they must cover exactly. */
export function tiles(x: Tensor, { tile, stride }: { tile: number; stride: number }): Tensor {
  const o = { tile, stride, picture: x.shape };
  check("tiles", o);
  return tilesOp([x], o);
}

/** The sum of overlapping tiles, each at its place in a picture [N, H, W, C]. */
export function untile(x: Tensor, picture: Shape, { tile, stride }: { tile: number; stride: number }): Tensor {
  const o = { tile, stride, picture };
  check("untile", o);
  const [Ty, Tx] = counts(o);
  if (
    x.shape[0] !== (picture[0] as number) * Ty * Tx ||
    x.shape[1] !== tile ||
    x.shape[2] !== tile ||
    x.shape[3] !== picture[3]
  )
    throw new ShapeError(
      `untile: [${picture}] takes ${(picture[0] as number) * Ty * Tx} tiles [${tile}, ${tile}, ${picture[3]}], got [${x.shape}]`,
    );
  return untileOp([x], o);
}
