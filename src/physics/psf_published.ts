/** Point spread functions as the papers' code draws them. Their boundary is an option of `blur`. */
import type { Rng } from "../../kernels/random.ts";
import { cubic } from "./axis.ts";
import { divided, gaussianPsf, uniformPsf } from "./psf.ts";

/** exp(-i^2/(2 sigma^2)) at `size` places about 0, its sum 1. */
function taps(size: number, sigma: number): number[] {
  const axis = Array.from({ length: size }, (_, i) => Math.exp(-((i - (size - 1) / 2) ** 2) / (2 * sigma ** 2)));
  return divided([axis])[0] as number[];
}
const product = (u: readonly number[], v: readonly number[]): number[][] => u.map((a) => v.map((b) => a * b));

export const publishedPsf = {
  /** DPS, DAPS, DDiff ("reflect"), PnP-EDM ("circular"): 61 x 61, sigma 3, cut at 4 sigma. */
  dps: (): number[][] => gaussianPsf(3, { size: 61 }),
  /** DiffPIR ("circular"): 61 x 61, sigma from 3 to 9, drawn for each picture. */
  diffpir: (rng: Rng): number[][] => gaussianPsf(3 * (2 * rng.number() + 1), { size: 61 }),
  /** MUPET ("valid"): sigma 2 in tests and up to 8 in training, to int(sigma/0.3 + 1) pixels each way. */
  mupet(sigma = 2): number[][] {
    const size = 2 * Math.floor(sigma / 0.3 + 1) + 1;
    const axis = sigma > 0 ? taps(size, sigma) : taps(size, 1e-3);
    return product(axis, axis);
  },
  /** UD2M ("circular"): its "bandwidth" is a variance; sizes 5 and 25. */
  ud2m: (bandwidth = 10, size = 5): number[][] =>
    product(taps(size, Math.sqrt(bandwidth)), taps(size, Math.sqrt(bandwidth))),
  /** DDRM, I2SB, CDDB ("zero", with ddrmTapBug and least 0.03): 5 x 5, sigma 10. */
  ddrmGaussian: (): number[][] => product(taps(5, 10), taps(5, 10)),
  /** DDRM, CM4IR ("zero" or "circular"): 9 x 9, sigma 1 down and 20 across. */
  ddrmAnisotropic: (): number[][] => product(taps(9, 1), taps(9, 20)),
  /** DDRM, I2SB, UD2M ("zero" or "circular"): the mean of 9 x 9. */
  ddrmUniform: (): number[][] => uniformPsf(9),
  /** UD2M's LSUN super-resolution: 4 r taps a side of a bicubic kernel, to be blurred by before every r-th pixel is taken. */
  bicubic(factor: number): number[][] {
    const size = 4 * factor;
    const axis = Array.from({ length: size }, (_, i) => cubic((i - 2 * factor + 0.5) / factor));
    return divided(product(axis, axis));
  },
} as const;
