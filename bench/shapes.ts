/**
 * The layer shapes that the networks really use (the lists behind it count 95 % of their multiply-accumulates), and the
 * sizes of the data steps. `flops` and `bytes` are what the work needs at least: two per multiply-accumulate, every
 * input read once and every output written once, in f32.
 */
export interface Row {
  name: string;
  /** Which maker in rows.ts runs it. */
  kind: string;
  size: Readonly<Record<string, number>>;
  flops: number;
  bytes: number;
}

const F32 = 4;

function conv(
  net: string,
  I: number,
  O: number,
  side: number,
  options: { k?: number; stride?: number; padding?: number; N?: number; kind?: string } = {},
): Row {
  const { k = 3, stride = 1, padding = (k - 1) / 2, N = 1, kind = "conv2d" } = options;
  const out = Math.floor((side + 2 * padding - k) / stride) + 1;
  const macs = N * out * out * O * I * k * k;
  const bytes = F32 * (N * side * side * I + N * out * out * O + I * O * k * k);
  // its gradient is two convolutions: of x and of the weights
  const passes = kind === "conv2d" ? 1 : 2;
  const label = `${kind}.${k}x${k}${stride > 1 ? `s${stride}` : ""}.${I}-${O}@${side}${N > 1 ? `x${N}` : ""}`;
  return {
    name: `${net}.${label}`,
    kind,
    size: { N, H: side, W: side, I, O, k, stride, padding },
    flops: 2 * macs * passes,
    bytes: bytes * passes,
  };
}

const attention = (net: string, heads: number, T: number, ch: number, N = 1): Row => ({
  name: `${net}.attention.${heads}x${T}x${ch}`,
  kind: "attention",
  size: { N, heads, T, C: heads * ch },
  flops: 4 * N * heads * T * T * ch,
  bytes: F32 * 4 * N * T * heads * ch,
});

const image = (
  kind: string,
  name: string,
  N: number,
  side: number,
  C: number,
  { reads = 1, writes = 1, flops = 0, ...more } = {},
): Row => ({
  name: `${name}.${C}@${side}${N > 1 ? `x${N}` : ""}`,
  kind,
  size: { N, H: side, W: side, C, ...(more as Record<string, number>) },
  flops: flops * N * side * side * C,
  bytes: F32 * N * side * side * C * (reads + writes),
});

/** A complex transform of L = side^2: 5 L log2 L operations by convention, each number read and written once per axis. */
const fourier = (kind: string, N: number, side: number, C: number): Row => ({
  name: `${kind}.${N}x${side}^2x${C}`,
  kind,
  size: { N, H: side, W: side, C },
  flops: (kind === "fft2" ? 5 : 2.5) * N * C * side * side * Math.log2(side * side),
  bytes: (kind === "fft2" ? 32 : 16) * N * C * side * side,
});

const matmul = (name: string, m: number, k: number, n: number): Row => ({
  name: `${name}.matmul.${m}x${k}x${n}`,
  kind: "matmul",
  size: { m, k, n },
  flops: 2 * m * k * n,
  bytes: F32 * (m * k + k * n + m * n),
});

const flat = (kind: string, n: number, arrays: number, flops = 1): Row => ({
  name: `${kind}.${n}`,
  kind,
  size: { n },
  flops: flops * n,
  bytes: F32 * arrays * n,
});

const prox = (kind: string, side: number, spectra: number): Row => ({
  ...image(kind, kind, 1, side, 3, { reads: 2 }),
  flops: spectra * 2.5 * 3 * side * side * Math.log2(side * side),
  ...(kind === "prox_aliased" && { size: { N: 1, H: side, W: side, C: 3, factor: 4 } }),
});

export const ROWS: readonly Row[] = [
  // the small prior: pixel unshuffle to 12 channels at half the side, widths 32, 64, 128; 16 is a training batch
  conv("prior", 12, 32, 32),
  conv("prior", 32, 32, 32),
  conv("prior", 64, 32, 32),
  conv("prior", 64, 64, 16),
  conv("prior", 128, 128, 8),
  conv("prior", 256, 128, 8),
  conv("prior", 32, 32, 32, { N: 16 }),
  conv("prior", 64, 64, 16, { N: 16 }),
  conv("prior", 128, 128, 8, { N: 16 }),
  conv("prior", 32, 32, 32, { N: 16, kind: "conv2d_vjp" }),
  conv("prior", 64, 64, 16, { N: 16, kind: "conv2d_vjp" }),
  conv("prior", 128, 128, 8, { N: 16, kind: "conv2d_vjp" }),
  attention("prior", 4, 64, 32, 16),
  image("group_norm", "prior.group_norm", 16, 32, 32, { reads: 2, flops: 12 }),

  { name: "prior.forward.64^2", kind: "prior", size: { N: 1, H: 64 }, flops: 0, bytes: 0 },
  { name: "prior.training.64^2x4", kind: "prior_training", size: { N: 4, H: 64 }, flops: 0, bytes: 0 },

  conv("adm256", 128, 128, 256),
  conv("adm256", 256, 128, 256),
  conv("adm256", 128, 128, 128),
  conv("adm256", 256, 256, 64),
  conv("adm256", 256, 256, 32),
  conv("adm256", 512, 256, 32),
  conv("adm256", 512, 512, 16),
  conv("adm256", 512, 512, 8),
  conv("adm256", 256, 128, 256, { k: 1, padding: 0 }),
  conv("adm256", 128, 128, 128, { kind: "conv2d_vjp" }),
  conv("adm256", 256, 256, 32, { kind: "conv2d_vjp" }),
  attention("adm256", 8, 256, 64),
  attention("adm256", 8, 64, 64),
  image("group_norm", "adm256.group_norm", 1, 256, 128, { reads: 2, flops: 12 }),
  image("group_norm", "adm256.group_norm", 1, 64, 256, { reads: 2, flops: 12 }),

  conv("imagenet256", 256, 256, 256),
  conv("imagenet256", 512, 256, 256),
  conv("imagenet256", 256, 256, 128),
  conv("imagenet256", 512, 512, 128),
  conv("imagenet256", 512, 512, 64),
  conv("imagenet256", 1024, 512, 64),
  conv("imagenet256", 512, 512, 32),
  conv("imagenet256", 1024, 1024, 16),
  conv("imagenet256", 1024, 1024, 8),
  conv("imagenet256", 512, 256, 256, { k: 1, padding: 0 }),
  conv("imagenet256", 512, 1536, 32, { k: 1, padding: 0 }),
  conv("imagenet256", 1024, 3072, 16, { k: 1, padding: 0 }),
  attention("imagenet256", 8, 1024, 64),
  attention("imagenet256", 16, 256, 64),
  image("group_norm", "imagenet256.group_norm", 1, 256, 512, { reads: 2, flops: 12 }),

  conv("lsun", 128, 128, 257, { stride: 2, padding: 0 }),
  attention("lsun", 1, 256, 512),
  conv("cifar", 128, 128, 32),
  conv("cifar", 256, 256, 16),
  conv("cifar", 512, 256, 16),
  conv("cifar", 256, 256, 8),
  conv("cifar", 256, 256, 4),
  attention("cifar", 1, 256, 256),
  attention("edm64", 6, 1024, 64),
  attention("edm64", 9, 256, 64),
  conv("drunet", 64, 64, 256),
  image("fir_down", "ncsnpp.fir_down", 1, 256, 128, { writes: 0.25, flops: 8 }),
  image("fir_up", "ncsnpp.fir_up", 1, 128, 128, { writes: 4, flops: 32 }),

  image("pool", "avgPool2", 1, 128, 128, { writes: 0.25, flops: 1 }),
  image("nearest_up", "nearestUp", 1, 64, 128, { writes: 4 }),
  image("pixel_shuffle", "pixelUnshuffle", 16, 64, 3),
  image("concat", "concat", 1, 64, 256),
  image("slice", "sliceChannels", 1, 64, 256, { reads: 0.5, writes: 0.5 }),
  image("pad", "pad.reflect", 1, 256, 3),
  matmul("adm256.qkv", 256, 512, 1536),
  matmul("embedding", 16, 512, 1024),
  flat("lincomb", 1 << 22, 3, 3),
  flat("silu", 1 << 22, 2, 4),
  flat("add", 1 << 22, 2),
  flat("sum", 1 << 22, 1),
  flat("normal", 1 << 22, 1, 30),
  flat("adam", 2_968_236, 9, 14),

  fourier("fft2", 4, 256, 1),
  fourier("fft2", 1, 256, 3),
  fourier("fft2", 1, 320, 8),
  fourier("rfft2", 1, 256, 3),
  fourier("rfft2", 1, 512, 3),
  prox("prox_mask", 256, 0),
  prox("prox_fourier", 256, 3),
  prox("prox_aliased", 256, 2),
];
