import wgslRows from "../shaders/linear_rows.wgsl";
import wgsl from "../shaders/matmul.wgsl";
import wgslAny from "../shaders/matmul_any.wgsl";
import wgslTiled from "../shaders/matmul_tiled.wgsl";
import wgslWave from "../shaders/matmul_wave.wgsl";
import { ShapeError } from "../src/errors.ts";
import { broadcastShape } from "../src/tensor/broadcast.ts";
import { grid1d, type Inputs, kernel } from "../src/tensor/kernel.ts";
import { derived, type Maybe, op } from "../src/tensor/op.ts";
import { scope } from "../src/tensor/scope.ts";
import { type DType, sameShape, sizeOf } from "../src/tensor/shape.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { add, broadcastTo } from "./broadcast.ts";
import { cast } from "./cast.ts";
import { sum, sumTo } from "./reduce.ts";
import { reshape } from "./reshape.ts";
import { transpose } from "./transpose.ts";

/** One product: Z matrices of M x K times K x N, the sums cut into S parts of KS. */
interface Product {
  Z: number;
  S: number;
  M: number;
  N: number;
  K: number;
  KS: number;
  /** A matrix that serves all of Z has stride 0. */
  strideA: number;
  strideB: number;
  /** Stored as [K, M], as [N, K]. */
  transposeA: boolean;
  transposeB: boolean;
}
/** `wave` where subgroups have 8 invocations or more and N is a multiple of 8; `direct` there otherwise. */
export type Schedule = "direct" | "wave" | "tiled" | "any";

const shapes = (_: Inputs, { Z, S, M, N }: Product) => ({ c: [Z, S, M, N] });
const params = ({ bias }: Inputs, { transposeA, transposeB, ...p }: Product) => ({
  ...p,
  stride_a: p.strideA,
  stride_b: p.strideB,
  am: transposeA ? 1 : p.K,
  ak: transposeA ? p.M : 1,
  bk: transposeB ? 1 : p.N,
  bn: transposeB ? p.K : 1,
  biased: bias ? 1 : 0,
});

/** Rows and vectors of columns that one invocation of the direct form sums. Few kinds: each takes a second to compile. */
const tile = ({ M, N }: Product) => ({ TM: M > 2 ? 8 : 2, TN: N % 8 === 0 ? 2 : 1 });
/** What the shaders of vectors take, for tiles of TM x TN. */
const vectors = ({ bias }: Inputs, p: Product, { TM, TN }: { TM: number; TN: number }) => ({
  ...{ Z: p.Z, S: p.S, M: p.M, N: p.N / 4, K: p.K / 4, KS: p.KS / 4 },
  ...{ stride_a: p.strideA / 4, stride_b: p.strideB / 4, rows: TM, vectors: TN, biased: bias ? 1 : 0 },
});
const direct = kernel<Product>({
  wgsl,
  params: (inputs, p) => vectors(inputs, p, tile(p)),
  shapes,
  grid(_, p, wg) {
    const { TM, TN } = tile(p);
    return grid1d(p.Z * p.S * Math.ceil(p.M / TM) * (p.N / 4 / TN), wg);
  },
  consts: (_, p) => tile(p),
});
const ROWS = 4;
const wave = kernel<Product>({
  wgsl: wgslWave,
  params: (inputs, p) => vectors(inputs, p, { TM: ROWS, TN: 2 }),
  shapes,
  grid: (_, { Z, S, M, N }, wg) => grid1d(Z * S * Math.ceil(M / ROWS / wg) * (N / 8), 1),
  consts: () => ({ TM: ROWS }),
  overrides: ({ a }) => ({ WG: (a as Tensor).storage.gpu.subgroup }),
});
const any = kernel<Product>({
  wgsl: wgslAny,
  params,
  shapes,
  grid: (_, { Z, S, M, N }, wg) => grid1d(Z * S * M * N, wg),
});
const tiled = kernel<Product>({
  wgsl: wgslTiled,
  params,
  shapes,
  grid: (_, { Z, S, M, N }) => [Math.ceil(N / 64), Math.ceil(M / 64), Z * S],
  overrides: (_, { transposeA, transposeB }) => ({ A_K: transposeA ? 0 : 1, B_K: transposeB ? 1 : 0 }),
});

/** Parts to cut the sum into, so that a long sum into a small matrix still keeps a device busy. */
function parts({ Z, M, N, K }: Product, schedule: Schedule): number {
  const [groups, wanted] =
    schedule === "tiled" ? [Z * Math.ceil(M / 64) * Math.ceil(N / 64), 256] : [(Z * M * N) / 64 / 32, 16];
  const most = Math.floor(K / 256);
  return groups * 2 > wanted || most < 2 ? 1 : Math.min(most, Math.ceil(wanted / groups));
}

/** The product in f32, [Z, M, N]. */
function product(a: Tensor, b: Tensor, bias: Maybe, p: Product, forced?: Schedule): Tensor {
  return scope(() => {
    const even = p.N % 4 === 0 && p.K % 4 === 0 && p.M > 0 && p.N > 0;
    const { software, subgroup } = a.storage.gpu;
    const shared = even && p.N % 8 === 0 && subgroup >= 8;
    // fewer rows would leave lanes idle
    const best = software ? (shared && p.M >= 8 * ROWS ? "wave" : even ? "direct" : "any") : "tiled";
    const schedule = forced === "wave" && !shared ? "direct" : (forced ?? best);
    const S = parts(p, schedule);
    const split = { ...p, S, KS: Math.ceil(p.K / S / 4) * 4 };
    const inputs = { a, b, bias: S === 1 ? bias : undefined };
    if (schedule === "direct" || schedule === "wave") {
      if (p.transposeA) inputs.a = transpose(a);
      if (p.transposeB) inputs.b = transpose(b);
    }
    const c = { direct, wave, tiled, any }[schedule](inputs, split).c as Tensor;
    if (S === 1) return reshape(c, [p.Z, p.M, p.N]);
    const total = sum(c, { axes: [1] });
    return bias ? add(total, bias) : total;
  });
}

interface Options {
  transposeA: boolean;
  transposeB: boolean;
  dtype: DType;
  schedule: Schedule | undefined;
}

const apply = op<Options>({
  name: "matmul",
  forward([a, b], { transposeA, transposeB, dtype, schedule }) {
    const [p, q] = [a as Tensor, b as Tensor];
    const [M, K] = size(p, transposeA);
    const N = size(q, transposeB)[1];
    const batch = broadcastShape("matmul", p.shape.slice(0, -2), q.shape.slice(0, -2));
    const Z = sizeOf(batch);
    const stride = (t: Tensor) => (t.size / sizeOf(t.shape.slice(-2)) === 1 ? 0 : sizeOf(t.shape.slice(-2)));
    const shape = { Z, S: 1, M, N, K, KS: K, strideA: stride(p), strideB: stride(q), transposeA, transposeB };
    const out = scope(() => reshape(cast(product(p, q, undefined, shape, schedule), dtype), [...batch, M, N]));
    return { out, saved: [p, q] };
  },
  vjp(dy, [a, b]: [Tensor, Tensor], { transposeA: s, transposeB: t }, needs) {
    const g = cast(dy, a.dtype);
    const [da, db] = [
      () => (s ? matmul(b, g, { transposeA: t, transposeB: true }) : matmul(g, b, { transposeB: !t })),
      () => (t ? matmul(g, a, { transposeA: true, transposeB: s }) : matmul(a, g, { transposeA: !s })),
    ];
    return [needs[0] ? sumTo(da(), a.shape) : null, needs[1] ? sumTo(db(), b.shape) : null];
  },
});
/** Rows and columns of what stands in the product. */
const size = ({ shape }: Tensor, transposed: boolean): [number, number] => {
  const [r, c] = shape.slice(-2) as [number, number];
  return transposed ? [c, r] : [r, c];
};

export interface MatmulOptions {
  /** a is given as [..., K, M]. */
  transposeA?: boolean;
  /** b is given as [..., N, K]. */
  transposeB?: boolean;
  /** Of the product; default: that of the factors. */
  dtype?: DType;
  /** For tests and benchmarks; default: by adapter and sizes. */
  schedule?: Schedule;
}

/** [..., M, K] times [..., K, N]; the leading axes broadcast. */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  const { transposeA = false, transposeB = false, dtype = a.dtype, schedule } = options;
  const fits = a.shape.length >= 2 && b.shape.length >= 2 && size(a, transposeA)[1] === size(b, transposeB)[0];
  if (!fits || a.dtype !== b.dtype)
    throw new ShapeError(
      `matmul: a is ${a.dtype} [${a.shape}]${transposeA ? " transposed" : ""}, b is ${b.dtype} [${b.shape}]${transposeB ? " transposed" : ""}`,
    );
  const opts = { transposeA, transposeB, dtype, schedule };
  const [p, q] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
  // many matrices times one are one tall matrix times it
  if (sizeOf(q) === 1 && sizeOf(p) > 1 && !transposeA) {
    const [m, k] = a.shape.slice(-2) as [number, number];
    const tall = apply([reshape(a, [sizeOf(p) * m, k]), reshape(b, b.shape.slice(-2))], opts);
    return reshape(tall, [...broadcastShape("matmul", p, q), m, tall.shape.at(-1) as number]);
  }
  if (sizeOf(p) === 1 || sizeOf(q) === 1 || sameShape(p, q)) return apply([a, b], opts);
  const batch = broadcastShape("matmul", p, q);
  const [all, every] = [a, b].map((t) => broadcastTo(t, [...batch, ...t.shape.slice(-2)])) as [Tensor, Tensor];
  return apply([all, every], opts);
}

/** Rows so few that a matrix is read as it is. */
const FEW = 4;
const rows = kernel<object>({
  wgsl: wgslRows,
  params: ({ x, w, bias }) => ({
    n: (x.size / w.shape[1]) * w.shape[0],
    I: w.shape[1] / 4,
    O: w.shape[0],
    biased: bias ? 1 : 0,
  }),
  shapes: ({ x, w }) => ({ y: [x.size / w.shape[1], w.shape[0]] }),
  grid: ({ x, w }, _, wg) => grid1d((x.size / w.shape[1]) * w.shape[0] * lanesOn(w), wg),
  overrides: ({ w }) => ({ LANES_PER_GROUP: lanesOn(w) }),
});
const lanesOn = (w: Tensor): number => (w.storage.gpu.software ? 1 : 32);

const applyLinear = op({
  name: "linear",
  forward([x, weight, bias]) {
    const [a, w] = [x as Tensor, weight as Tensor];
    const [O, I] = w.shape as [number, number];
    const M = a.size / I;
    if (M <= FEW && I % 4 === 0 && I > 0)
      return {
        out: scope(() => {
          const y = rows({ x: cast(a, "f32"), w, bias }, {}).y as Tensor;
          return reshape(cast(y, a.dtype), [...a.shape.slice(0, -1), O]);
        }),
        saved: [a, w, bias],
      };
    const shape = { Z: 1, S: 1, M, N: O, K: I, KS: I, strideA: 0, strideB: 0, transposeA: false };
    // the direct form wants [I, O]: turned once for as long as the weights stay as they are
    const turn = w.storage.gpu.software && O % 4 === 0 && I % 4 === 0;
    const out = scope(() => {
      const b = turn
        ? derived(w, `linear ${a.dtype}`, () => scope(() => transpose(cast(w, a.dtype))))
        : cast(w, a.dtype);
      return reshape(cast(product(a, b, bias, { ...shape, transposeB: !turn }), a.dtype), [...a.shape.slice(0, -1), O]);
    });
    return { out, saved: [a, w, bias] };
  },
  vjp(dy, [x, w, bias]: [Tensor, Tensor, Maybe], _, needs) {
    const [O, I] = w.shape as [number, number];
    const [g, rows] = [reshape(dy, [dy.size / O, O]), reshape(x, [x.size / I, I])];
    return [
      needs[0] ? reshape(matmul(g, cast(w, dy.dtype)), x.shape) : null,
      needs[1] ? matmul(g, rows, { transposeA: true, dtype: w.dtype }) : null,
      needs[2] && bias ? cast(sum(g, { axes: [0] }), bias.dtype) : null,
    ];
  },
});

/** x W^T + bias: x [..., I], weight [O, I], bias [O] or absent. */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  const [O, I] = weight.shape;
  if (weight.shape.length !== 2 || x.shape.at(-1) !== I)
    throw new ShapeError(`linear: x is [${x.shape}], weight [${weight.shape}]; expected [..., I] and [O, I]`);
  if (bias && !sameShape(bias.shape, [O as number]))
    throw new ShapeError(`linear: bias expects [${O}], got [${bias.shape}]`);
  return applyLinear([x, weight, bias], {});
}
