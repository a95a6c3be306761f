import { philox } from "../src/tensor/philox.ts";

const unit = (w: number) => ((w >>> 8) + 0.5) / 2 ** 24;

/** The shader's numbers in doubles, from its words. */
export const poisson = (rate: ArrayLike<number>, bits: ArrayLike<number>): Float64Array =>
  Float64Array.from(rate, (mean, i) => {
    const key = [bits[i] as number, 0x706f6973];
    if (mean > 1024) {
      const [a, b] = philox([0, 0, 0, 0], key);
      const z = Math.sqrt(-2 * Math.log(unit(a))) * Math.cos(2 * Math.PI * unit(b));
      return Math.max(Math.round(mean + Math.sqrt(mean) * z), 0);
    }
    const parts = mean > 0 ? Math.ceil(mean / 8) : 0;
    let sum = 0;
    for (let k = 0; k < parts; k++) {
      const u = unit(philox([k >> 2, 0, 0, 0], key)[k & 3] as number);
      let chance = Math.exp(-mean / parts);
      for (let total = chance, j = 1; u >= total && j <= 64; j++) {
        chance *= mean / parts / j;
        total += chance;
        sum++;
      }
    }
    return sum;
  });
