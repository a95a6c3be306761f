import wgsl from "../shaders/random.wgsl";
import wgslBits from "../shaders/random_bits.wgsl";
import { capturing } from "../src/gpu/open.ts";
import { grid1d, kernel } from "../src/tensor/kernel.ts";
import { philox } from "../src/tensor/philox.ts";
import { type Shape, sizeOf } from "../src/tensor/shape.ts";
import type { Tensor } from "../src/tensor/tensor.ts";

/** Where a generator stands; plain JSON. The same state draws the same numbers, on every machine. */
export interface RngState {
  seed: number;
  stream: [number, number];
  /** Draws made so far, of tensors and of single numbers alike. */
  call: number;
}

/** Random numbers from a counter: what is drawn depends on the seed and on the order of calls only. */
export interface Rng {
  readonly seed: number;
  normal(shape: Shape, options?: { dtype?: "f32" | "f16" }): Tensor;
  /** Between low and high: in doubles never equal to either. */
  uniform(shape: Shape, options?: { low?: number; high?: number; dtype?: "f32" | "f16" }): Tensor;
  /** Uniform 32-bit words. */
  bits(shape: Shape): Tensor;
  /** One number between 0 and 1, on the host. */
  number(): number;
  /** One normal number, on the host. */
  gaussian(): number;
  /** A whole number, low and high included. */
  integer(low: number, high: number): number;
  /** An independent stream; the same n gives the same one, wherever this generator stands. */
  fork(n: number): Rng;
  state(): RngState;
  restore(state: RngState): void;
}

interface Options {
  shape: Shape;
  dtype: "f32" | "f16";
  normal: boolean;
  low: number;
  high: number;
  counter: Record<string, number>;
}
const blocks = ({ shape }: { shape: Shape }) => Math.ceil(sizeOf(shape) / 4);

const run = kernel<Options>({
  wgsl,
  params: (_, { shape, low, high, counter }) => ({ n: sizeOf(shape), low, high, ...counter }),
  shapes: (_, { shape }) => ({ y: shape }),
  grid: (_, options, wg) => grid1d(blocks(options), wg),
  elem: (_, { dtype }) => dtype,
  overrides: (_, { normal }) => ({ NORMAL: normal ? 1 : 0 }),
});
const runBits = kernel<{ shape: Shape; counter: Record<string, number> }>({
  wgsl: wgslBits,
  params: (_, { shape, counter }) => ({ n: sizeOf(shape), ...counter }),
  shapes: (_, { shape }) => ({ bits: shape }),
  grid: (_, options, wg) => grid1d(blocks(options), wg),
});

function from(start: RngState): Rng {
  let { seed, stream, call } = start;
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw new RangeError(`rng: the seed must be a whole number from 0 to 2^53, got ${seed}`);
  let key = [seed >>> 0, Math.floor(seed / 2 ** 32)] as const;
  const counter = () => drawn({ call: call++, stream0: stream[0], stream1: stream[1], key0: key[0], key1: key[1] });
  const words = () => drawn(philox([0, call++, ...stream], key));
  const number = () => {
    const [a, b] = words();
    return ((a >>> 6) * 2 ** 26 + (b >>> 6) + 0.5) / 2 ** 52;
  };
  return {
    get seed() {
      return seed;
    },
    normal: (shape, { dtype = "f32" } = {}) =>
      run({}, { shape, dtype, normal: true, low: 0, high: 1, counter: counter() }).y as Tensor,
    uniform: (shape, { low = 0, high = 1, dtype = "f32" } = {}) =>
      run({}, { shape, dtype, normal: false, low, high, counter: counter() }).y as Tensor,
    bits: (shape) => runBits({}, { shape, counter: counter() }).bits as Tensor,
    number,
    gaussian() {
      const [a, b] = words();
      return Math.sqrt(-2 * Math.log((a + 0.5) / 2 ** 32)) * Math.cos((2 * Math.PI * (b + 0.5)) / 2 ** 32);
    },
    integer: (low, high) => low + Math.floor(number() * (high - low + 1)),
    fork(n) {
      // under another key than the draws, so that no stream meets them
      const [a, b] = philox([n >>> 0, Math.floor(n / 2 ** 32) ^ 0x666f726b, ...stream], [~key[0] >>> 0, key[1]]);
      return from({ seed, stream: [a, b], call: 0 });
    },
    state: () => ({ seed, stream: [...stream], call }),
    restore(state) {
      ({ seed, call } = state);
      stream = [...state.stream];
      key = [seed >>> 0, Math.floor(seed / 2 ** 32)];
    },
  };
}

/** Draws are numbers of one call: a plan that repeats them would give the same noise for ever. */
function drawn<T>(numbers: T): T {
  if (capturing()) throw new TypeError("plan: random numbers are drawn inside; draw them outside and give them");
  return numbers;
}

/** A generator for this seed. */
export const rng = Object.assign((seed: number): Rng => from({ seed, stream: [0, 0], call: 0 }), {
  /** The generator that was in this state. */
  restore: (state: RngState): Rng => from({ ...state, stream: [...state.stream] }),
});
