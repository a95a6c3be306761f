import wgsl from "../shaders/fourier.wgsl";
import { ShapeError } from "../src/errors.ts";
import { computed } from "../src/tensor/given.ts";
import { grid1d, kernel } from "../src/tensor/kernel.ts";
import { op } from "../src/tensor/op.ts";
import { type Tensor, tensor } from "../src/tensor/tensor.ts";
import { cast } from "./cast.ts";

interface Options {
  u: readonly number[];
  first: "sin" | "cos";
}
const run = kernel<Options>({
  wgsl,
  params: ({ W }, { u }) => ({ n: u.length * W.size, F: W.size }),
  shapes: ({ W }, { u }) => ({ y: [u.length, 2 * W.size] }),
  grid: ({ W }, { u }, wg) => grid1d(u.length * W.size, wg),
  overrides: (_, { first }) => ({ COS_FIRST: first === "cos" ? 1 : 0 }),
});

/** For each exponent e of a float, u 2^(e - 150) modulo 1 as a 64-bit integer: every step here is exact. */
function turns(u: number): number[] {
  if (!Number.isFinite(u))
    throw new RangeError(`fourier: finite labels expected, got ${u}; a noise level must be above 0`);
  return Array.from({ length: 256 }, (_, e) => {
    const part = (u * 2 ** (e - 150)) % 1;
    const high = Math.trunc(part * 2 ** 32);
    const low = Math.trunc((part * 2 ** 32 - high) * 2 ** 32);
    return [low >>> 0, (high + Math.floor(low / 2 ** 32)) >>> 0]; // a negative low word borrows
  }).flat();
}

const apply = op<Options>({
  name: "fourier",
  forward([W], options) {
    const words = computed(options.u, (u) => u.flatMap(turns));
    return { out: run({ W, turns: tensor([options.u.length, 256, 2], words, "u32") }, options).y as Tensor };
  },
  vjp: () => [null], // the frequencies are drawn once and fixed
});

/**
 * Random Fourier features of u with stored frequencies W [F], f32 [N, 2 F], to 2e-7 however large W u is.
 *   sin    [sin(2 pi W u), cos(2 pi W u)]     score_sde (u = ln sigma), EDM's SongUNet ncsnpp (u = c_noise)
 *   cos    [cos(2 pi W u), sin(2 pi W u)]     EDM's FourierEmbedding by itself
 * To gradients W is a constant.
 */
export function fourier(u: readonly number[], W: Tensor, { first = "sin" }: { first?: "sin" | "cos" } = {}): Tensor {
  if (W.shape.length !== 1) throw new ShapeError(`fourier: frequencies [F] expected, got [${W.shape}]`);
  return apply([cast(W, "f32")], { u, first });
}
