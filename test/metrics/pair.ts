// Two pictures on which scikit-image gave the figures that the tests expect.
//   x = 1664525 x + 1013904223 mod 2^32;  H, W = 17, 23
//   a = lcg(seed 1).reshape(H, W, 3) / 2 + linspace(0, .5, W)[None, :, None];  b = clip(a + .3 (lcg(seed 2) - .5), 0, 1)
//   psnr(a, b, data_range=1), nrmse(a, b, normalization=...), ssim(a, b, data_range=1, channel_axis=2[,
//     gaussian_weights=True, sigma=1.5, use_sample_covariance=False]),  psnr of round(255 clip(.)) with data_range=255
export const [H, W] = [17, 23];
function lcg(count: number, seed: number): Float64Array {
  let x = seed;
  return Float64Array.from({ length: count }, () => {
    x = (Math.imul(1664525, x) + 1013904223) >>> 0;
    return x / 2 ** 32;
  });
}
export const a = lcg(H * W * 3, 1).map((v, i) => v / 2 + (0.5 * (Math.floor(i / 3) % W)) / (W - 1));
const noise = lcg(H * W * 3, 2);
export const b = a.map((v, i) => Math.max(0, Math.min(1, v + 0.3 * (noise[i]! - 0.5))));
/** In [-1, 1]. */
export const signed = (x: Float64Array) => x.map((v) => 2 * v - 1);
