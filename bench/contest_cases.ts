/** The work that every contestant does: shapes of our networks, inputs from seeds, answers in float64. */
import { attention } from "../kernels/attention.reference.ts";
import { conv2d, conv2dVjpW, conv2dVjpX } from "../kernels/conv2d.reference.ts";
import { fft2 } from "../kernels/fft.reference.ts";
import { groupNorm } from "../kernels/group_norm.reference.ts";
import { matmul } from "../kernels/matmul.reference.ts";
import { uniforms } from "../test/lib/random.ts";

export type Kind = "conv3x3" | "conv1x1" | "convBackward" | "matmul" | "attention" | "groupNormSilu" | "fft2";
export type Size = Readonly<Record<string, number>>;
/** Channels last, as ours are; weights [O, I, k, k]; complex numbers in pairs. */
export type Input = Record<string, { shape: number[]; data: Float32Array }>;

export interface Contest {
  name: string;
  kind: Kind;
  size: Size;
  flops: number;
  /** How many times faster than the best right peer we mean to be. */
  bar: number;
}

const convolution = (kind: Kind, k: number, I: number, O: number, side: number, passes = 1): Contest => ({
  name: `${kind}.${I}-${O}@${side}`,
  kind,
  size: { N: 1, H: side, W: side, I, O, k },
  flops: 2 * passes * side * side * I * O * k * k,
  bar: 2,
});
const product = (M: number, K: number, N: number): Contest => ({
  name: `matmul.${M}x${K}x${N}`,
  kind: "matmul",
  size: { M, K, N },
  flops: 2 * M * K * N,
  bar: 1,
});
const heads = (count: number, T: number, ch: number): Contest => ({
  name: `attention.${count}x${T}x${ch}`,
  kind: "attention",
  size: { heads: count, T, ch },
  flops: 4 * count * T * T * ch,
  bar: 1,
});

export const CONTESTS: readonly Contest[] = [
  convolution("conv3x3", 3, 128, 128, 64),
  convolution("conv3x3", 3, 256, 256, 32),
  convolution("conv3x3", 3, 32, 32, 32), // the small prior's own
  convolution("conv1x1", 1, 512, 1536, 16),
  convolution("convBackward", 3, 64, 64, 64, 3),
  product(256, 512, 1536),
  product(1024, 1024, 1024),
  heads(8, 256, 64),
  heads(8, 1024, 64),
  {
    name: "groupNormSilu.128@64",
    kind: "groupNormSilu",
    size: { N: 1, H: 64, W: 64, C: 128, groups: 32 },
    flops: 12 * 128 * 64 * 64,
    bar: 1,
  },
  {
    name: "fft2.4x256^2",
    kind: "fft2",
    size: { N: 4, H: 256, W: 256 },
    flops: 5 * 4 * 256 * 256 * 16,
    bar: 2,
  },
];

const number = (size: Size, name: string): number => size[name] as number;

export function inputs({ kind, size }: Contest): Input {
  let seed = 1;
  const random = (shape: number[], scale = 1) => {
    const data = Float32Array.from(
      uniforms(
        shape.reduce((a, b) => a * b, 1),
        seed++,
        -scale,
        scale,
      ),
    );
    return { shape, data };
  };
  const at = (name: string) => number(size, name);
  const image = (channels: string) => random([at("N"), at("H"), at("W"), at(channels)]);
  const weight = () => random([at("O"), at("I"), at("k"), at("k")], (at("I") * at("k") ** 2) ** -0.5);
  switch (kind) {
    case "conv3x3":
    case "conv1x1":
      return { x: image("I"), w: weight(), b: random([at("O")]) };
    case "convBackward":
      return { x: image("I"), w: weight(), g: image("O") };
    case "matmul":
      return { a: random([at("M"), at("K")]), b: random([at("K"), at("N")]) };
    case "attention": {
      const tokens = () => random([1, at("T"), at("heads") * at("ch")]);
      return { q: tokens(), k: tokens(), v: tokens() };
    }
    case "groupNormSilu":
      return { x: image("C"), gamma: random([at("C")]), beta: random([at("C")]) };
    case "fft2":
      return { x: random([at("N"), at("H"), at("W"), 2]) };
  }
}

/** What `output` must give, one array for each tensor. */
export function answer({ kind, size }: Contest, input: Input): Float64Array[] {
  const of = (name: string) => (input[name] as { data: Float32Array }).data;
  const at = (name: string) => number(size, name);
  const p = (at("k") - 1) / 2;
  const layer = () => ({
    x: [at("N"), at("H"), at("W"), at("I")] as const,
    w: [at("O"), at("I"), at("k"), at("k")] as const,
    padding: [p, p, p, p] as const,
  });
  switch (kind) {
    case "conv3x3":
    case "conv1x1":
      return [conv2d(layer(), of("x"), of("w"), { bias: of("b") })];
    case "convBackward": {
      // of sum(g conv(x, w)^2): smooth, where a ReLU's kink would call one rounded sign an error
      const dy = conv2d(layer(), of("x"), of("w")).map((v, i) => 2 * v * (of("g")[i] as number));
      return [conv2dVjpX(layer(), dy, of("w")), conv2dVjpW(layer(), of("x"), dy)];
    }
    case "matmul":
      return [matmul({ M: at("M"), N: at("N"), K: at("K") }, of("a"), of("b"))];
    case "attention": {
      const shape = { N: 1, Tq: at("T"), Tk: at("T"), heads: at("heads"), ch: at("ch") };
      return [attention(of("q"), of("k"), of("v"), shape)];
    }
    case "groupNormSilu": {
      const shape = { N: at("N"), HW: at("H") * at("W"), C: at("C"), groups: at("groups") };
      return [groupNorm(of("x"), { ...shape, silu: true, gamma: of("gamma"), beta: of("beta") })];
    }
    case "fft2":
      return [fft2(of("x"), [at("N"), at("H"), at("W"), 1])];
  }
}

/** Relative L2 of the worst of several answers; infinite where shapes differ or something is no number. */
export function error(got: readonly ArrayLike<number>[], want: readonly ArrayLike<number>[]): number {
  if (got.length !== want.length) return Number.POSITIVE_INFINITY;
  const each = want.map((w, i) => {
    const g = got[i] as ArrayLike<number>;
    if (g.length !== w.length) return Number.POSITIVE_INFINITY;
    let [off, all] = [0, 0];
    for (let j = 0; j < w.length; j++) {
      const v = w[j] as number;
      off += ((g[j] as number) - v) ** 2;
      all += v * v;
    }
    const relative = Math.sqrt(off / all);
    return Number.isNaN(relative) ? Number.POSITIVE_INFINITY : relative;
  });
  return Math.max(...each);
}
