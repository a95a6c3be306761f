import wgsl from "../shaders/conv2d_pack.wgsl";
import wgslBack from "../shaders/conv2d_unpack.wgsl";
import { grid1d, kernel } from "../src/tensor/kernel.ts";
import { derived } from "../src/tensor/op.ts";
import type { Part, Tensor } from "../src/tensor/tensor.ts";
import { cast } from "./cast.ts";

/** Weights as one pass reads them: which channels are in and out, and which taps, as strides into w. */
export interface Packing {
  G: number;
  I: number;
  O: number;
  KH: number;
  KW: number;
  KX: number;
  base: number;
  by_g: number;
  by_o: number;
  by_i: number;
  first_y: number;
  every_y: number;
  first_x: number;
  every_x: number;
}
type Blocked = Packing & { block: number };

const size = ({ G, KH, KW, I, O }: Packing): number => Math.max(4, G * KH * KW * I * 4 * Math.ceil(O / 4));

const pack = kernel<Blocked>({
  wgsl,
  params: (_, { G, ...p }) => ({ n: size({ G, ...p }) / 4, ...p }),
  shapes: (_, p) => ({ packed: [size(p)] }),
  grid: (_, p, wg) => grid1d(size(p) / 4, wg),
});
const unpack = kernel<Blocked & { shape: readonly number[] }>({
  wgsl: wgslBack,
  params: (_, { G, shape, ...p }) => ({ n: size({ G, ...p }) / 4, ...p }),
  shapes: (_, { shape }) => ({ w: shape }),
  grid: (_, p, wg) => grid1d(size(p) / 4, wg),
});

/** `block` vectors of output channels lie together, tap after tap. */
export function packed(w: Tensor, p: Packing, block: number, dtype: Tensor["dtype"]): Tensor {
  const { G, I, O, KH, KW } = p;
  const key = `conv2d ${dtype} ${block} ${G} ${I} ${O} ${KH} ${KW} ${p.KX} ${p.base} ${p.by_g} ${p.by_o} ${p.by_i} ${p.first_y} ${p.every_y} ${p.first_x} ${p.every_x}`;
  const make = () => {
    const own = pack({ w }, { ...p, block }).packed as Tensor;
    if (own.dtype === dtype) return own;
    const other = cast(own, dtype);
    own.dispose();
    return other;
  };
  return derived(w, key, make, dtype === w.dtype ? part(w, p, block) : undefined);
}

/** The share of w that a packed form holds, where it has every tap of some input channels of every output channel. */
function part(w: Tensor, p: Packing, block: number): Part | undefined {
  const taps = p.KH * p.KW;
  const every = (w.shape[1] as number) * taps; // of an output channel
  const straight = p.by_i === taps && p.by_o === every && p.KX === p.KW && !p.first_y && !p.first_x;
  if (!straight || w.size !== p.G * p.O * every || p.base % taps || (p.G > 1 && p.base)) return undefined;
  const each = w.size / (w.shape[1] as number);
  const from = (p.base / taps) * each;
  const write = (form: Tensor, into: Tensor) => {
    unpack({ packed: form }, { ...p, block, shape: into.shape }, { w: into });
  };
  return { from, to: from + p.I * each, write };
}
