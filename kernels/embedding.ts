import { computed } from "../src/tensor/given.ts";
import { type Tensor, tensor } from "../src/tensor/tensor.ts";

/**
 * Times or noise labels t as sines and cosines, [N, width]; h = floor(width / 2) frequencies f_i, an odd last column 0.
 *   adm    f_i = 10000^(-i / h),        [cos(t f), sin(t f)]     guided-diffusion, EDM's DhariwalUNet
 *   ddpm   f_i = 10000^(-i / (h - 1)),  [sin(t f), cos(t f)]     pesser, score_sde positional, EDM's SongUNet ddpmpp
 * In doubles: t reaches 1000, where WGSL promises nothing of sin and cos.
 */
export function sinusoidal(
  t: readonly number[],
  width: number,
  { kind = "adm", dtype = "f32" }: { kind?: "adm" | "ddpm"; dtype?: "f32" | "f16" } = {},
): Tensor {
  const h = Math.floor(width / 2);
  const f = Array.from({ length: h }, (_, i) => 10000 ** (-i / (kind === "adm" ? h : h - 1)));
  const rows = computed(t, (times) => {
    const out = new Float64Array(times.length * width);
    times.forEach((v, n) => {
      f.forEach((w, i) => {
        const [s, c] = [Math.sin(v * w), Math.cos(v * w)];
        out[n * width + i] = kind === "adm" ? c : s;
        out[n * width + h + i] = kind === "adm" ? s : c;
      });
    });
    return out;
  });
  return tensor([t.length, width], rows, dtype);
}
