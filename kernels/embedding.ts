import { type Tensor, tensor } from "../src/tensor/tensor.ts";

interface Dtype {
  dtype?: "f32" | "f16";
}

/**
 * Times or noise labels t as sines and cosines, [N, width]; h = floor(width / 2) frequencies f_i, an odd last column 0.
 *   adm    f_i = 10000^(-i / h),        [cos(t f), sin(t f)]     guided-diffusion, EDM's DhariwalUNet
 *   ddpm   f_i = 10000^(-i / (h - 1)),  [sin(t f), cos(t f)]     pesser, score_sde positional, EDM's SongUNet ddpmpp
 * In doubles: t reaches 1000, where WGSL promises nothing of sin and cos.
 */
export function sinusoidal(
  t: readonly number[],
  width: number,
  { kind = "adm", dtype = "f32" }: { kind?: "adm" | "ddpm" } & Dtype = {},
): Tensor {
  const h = Math.floor(width / 2);
  const f = Array.from({ length: h }, (_, i) => 10000 ** (-i / (kind === "adm" ? h : h - 1)));
  return halves(t, f, width, kind === "adm" ? "cos" : "sin", dtype);
}

/**
 * Random Fourier features of u with stored frequencies W, [N, 2 |W|].
 *   sin    [sin(2 pi W u), cos(2 pi W u)]     score_sde (u = ln sigma), EDM's SongUNet ncsnpp (u = c_noise)
 *   cos    [cos(2 pi W u), sin(2 pi W u)]     EDM's FourierEmbedding by itself
 */
export function fourier(
  u: readonly number[],
  frequencies: ArrayLike<number>,
  { first = "sin", dtype = "f32" }: { first?: "sin" | "cos" } & Dtype = {},
): Tensor {
  const f = Array.from(frequencies, (w) => 2 * Math.PI * w);
  return halves(u, f, 2 * f.length, first, dtype);
}

function halves(
  t: readonly number[],
  f: readonly number[],
  width: number,
  first: "sin" | "cos",
  dtype: "f32" | "f16",
): Tensor {
  const out = new Float64Array(t.length * width);
  t.forEach((v, n) => {
    f.forEach((w, i) => {
      const [s, c] = [Math.sin(v * w), Math.cos(v * w)];
      out[n * width + i] = first === "sin" ? s : c;
      out[n * width + f.length + i] = first === "sin" ? c : s;
    });
  });
  return tensor([t.length, width], out, dtype);
}
