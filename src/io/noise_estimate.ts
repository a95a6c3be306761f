// How noisy is this picture? Used when --noise is left out.
//   r = (x * L) / 6,  L = [1 -2 1; -2 4 -2; 1 -2 1]      white noise of std s gives r the std s [Immerkaer 1996]
// L is blind to smooth shading but not to texture, which would pass for noise. So the picture is cut into blocks, each
// gives its own rms of r, and a low quantile of those is taken: the flattest fifth of the picture speaks. Of equal
// blocks a low quantile lies below the mean; the factor for that was measured on pure noise (test/io/noise_estimate).
// Pixels at the ends of the range have lost part of their noise, so windows that touch one are left out.

import type { Picture } from "./picture.ts";

const BLOCK = 16;
/** Quantile of the blocks' rms, and its mean shortfall on white noise. */
const QUANTILE = 0.2;
const SHORTFALL = 0.93;

/** Each block's rms of r, and which part of its windows it speaks for. */
function blocks(p: Picture, channel: number): { rms: number; share: number }[] {
  const { width: w, height: h, channels, data } = p;
  const at = (y: number, x: number) => data[(y * w + x) * channels + channel];
  const found: { rms: number; share: number }[] = [];
  for (let top = 1; top + BLOCK < h || top === 1; top += BLOCK)
    for (let left = 1; left + BLOCK < w || left === 1; left += BLOCK) {
      let sum = 0;
      let count = 0;
      for (let y = top; y < Math.min(top + BLOCK, h - 1); y++)
        for (let x = left; x < Math.min(left + BLOCK, w - 1); x++) {
          let r = 0;
          let clipped = false;
          for (let j = -1; j <= 1; j++)
            for (let i = -1; i <= 1; i++) {
              const v = at(y + j, x + i);
              clipped ||= Math.abs(v) >= 1;
              r += v * (j === 0 ? -2 : 1) * (i === 0 ? -2 : 1);
            }
          if (clipped) continue;
          sum += (r / 6) ** 2;
          count++;
        }
      if (count > 8) found.push({ rms: Math.sqrt(sum / count), share: count / BLOCK ** 2 });
    }
  return found;
}

function channelSigma(p: Picture, channel: number): number {
  const all = blocks(p, channel);
  // Where some windows clip, the others are the quiet ones: ask such blocks only when there are no better.
  const best = [0.95, 0.5, 0].map((least) => all.filter(({ share }) => share >= least));
  const rms = (best.find((some) => some.length >= 5) ?? all).map((block) => block.rms).sort((a, b) => a - b);
  if (rms.length === 0) return 0;
  if (rms.length < 5) return rms[rms.length >> 1]; // too few for a quantile
  const place = QUANTILE * (rms.length - 1);
  const low = rms[Math.floor(place)];
  return (low + (rms[Math.ceil(place)] - low) * (place % 1)) / SHORTFALL;
}

/**
 * Standard deviation of white Gaussian noise, in signed units (half of it in [0, 1] units): of each channel, and their
 * root mean square. Real photographs (cbsd68): noise of 0.05 is found within
 * a few percent, 0.01 read as 0.0115, none at all as 0.004 (median, [0, 1] units); pure texture reads higher.
 */
export function estimateNoise(p: Picture): { sigma: number; perChannel: number[] } {
  if (p.width < 3 || p.height < 3)
    throw new RangeError(`estimateNoise: needs at least 3x3 pixels, got ${p.width}x${p.height}; give --noise`);
  const perChannel = Array.from({ length: p.channels }, (_, c) => channelSigma(p, c));
  return { sigma: Math.sqrt(perChannel.reduce((sum, s) => sum + s * s, 0) / p.channels), perChannel };
}
