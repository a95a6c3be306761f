// Dead leaves [Matheron 1968; Lee, Mumford & Huang 2001]: opaque shapes fall on one another, radii with density r^-3.
// Their edges, scales and gradients have the statistics of natural pictures, so a denoiser can be trained on them with
// nothing downloaded. Here each leaf also has shading and perhaps a texture, and a picture perhaps a slight blur.
// Leaves are painted from the topmost down, each under what is already there, until nothing shows through: every pixel
// is shaded about once, however many leaves lie below.

import { type Draws, draws } from "./hash.ts";
import { type Leaf, leaf, leafColour } from "./leaf.ts";
import { checkTile, type TileSource } from "./tiles.ts";

export interface DeadLeavesOptions {
  seed?: number;
  count?: number;
  width?: number;
  height?: number;
  channels?: 1 | 3;
}

/** What a picture's leaves have in common: light, colour cast, contrast, scale. */
export interface Mood {
  lightness: number;
  contrast: number;
  cast: [number, number];
  saturation: number;
  smallest: number;
  largest: number;
}

function mood(random: Draws, side: number): Mood {
  return {
    lightness: random.uniform(0.25, 0.65),
    contrast: random.uniform(0.08, 0.32),
    cast: [0.05 * random.laplace(), 0.04 * random.laplace()],
    saturation: random.uniform(0.005, 0.075),
    smallest: 8 ** random.uniform(),
    largest: side * random.uniform(0.3, 1.1),
  };
}

/** Puts one leaf under what is painted; `left` is how much still shows through each pixel. */
function paintUnder(l: Leaf, rgb: Float32Array, left: Float32Array, width: number, height: number): void {
  const [x0, x1] = [Math.max(0, Math.floor(l.x - l.reach)), Math.min(width - 1, Math.ceil(l.x + l.reach))];
  const [y0, y1] = [Math.max(0, Math.floor(l.y - l.reach)), Math.min(height - 1, Math.ceil(l.y + l.reach))];
  const colour: [number, number, number] = [0, 0, 0];
  for (let y = y0; y <= y1; y++)
    for (let x = x0; x <= x1; x++) {
      const i = y * width + x;
      if (left[i] < 0.004) continue;
      // The signed distance over the width of the edge is the covered part of the pixel: anti-aliasing.
      const cover = Math.min(1, Math.max(0, 0.5 - l.distance(x - l.x, y - l.y) / l.edge));
      if (cover === 0) continue;
      leafColour(l, x - l.x, y - l.y, colour);
      const weight = cover * left[i];
      for (let c = 0; c < 3; c++) rgb[3 * i + c] += weight * colour[c];
      left[i] *= 1 - cover;
    }
}

/** Separable Gaussian of small sigma, edges repeated, in place. */
function blurred(rgb: Float32Array, width: number, height: number, sigma: number): void {
  const reach = Math.ceil(2.5 * sigma);
  const taps = Array.from({ length: 2 * reach + 1 }, (_, k) => Math.exp(-((k - reach) ** 2) / (2 * sigma * sigma)));
  const sum = taps.reduce((a, b) => a + b);
  const pass = (n: number, stride: number, lines: number, lineStride: number) => {
    const line = new Float32Array(n);
    for (let l = 0; l < lines; l++)
      for (let c = 0; c < 3; c++) {
        const base = l * lineStride + c;
        for (let i = 0; i < n; i++) line[i] = rgb[base + i * stride];
        for (let i = 0; i < n; i++) {
          let v = 0;
          for (let k = -reach; k <= reach; k++) v += taps[k + reach] * line[Math.min(n - 1, Math.max(0, i + k))];
          rgb[base + i * stride] = v / sum;
        }
      }
  };
  pass(width, 3, height, 3 * width);
  pass(height, 3 * width, width, 3);
}

/** Picture number `index` of stream `seed`: RGB in about [0, 1], [H, W, 3]. */
export function deadLeavesPicture(seed: number, index: number, width: number, height: number): Float32Array {
  const random = draws(0x1eaf, seed, index);
  const m = mood(random, Math.max(width, height));
  const rgb = new Float32Array(3 * width * height);
  const left = new Float32Array(width * height).fill(1);
  // Looking for gaps after every leaf would cost more than the leaves.
  for (let n = 0, open = true; open && n < 6000; n++) {
    paintUnder(leaf(random, m, width, height), rgb, left, width, height);
    if (n % 16 === 15) open = left.some((v) => v > 0.02);
  }
  for (let i = 0; i < left.length; i++)
    for (let c = 0; c < 3; c++) rgb[3 * i + c] = rgb[3 * i + c] + left[i] * m.lightness; // the ground

  // One light over everything: a slope across the picture.
  const [gx, gy] = [random.normal() * 0.12, random.normal() * 0.12];
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const gain = 1 + gx * (x / width - 0.5) + gy * (y / height - 0.5);
      for (let c = 0; c < 3; c++) rgb[3 * (y * width + x) + c] *= gain;
    }
  if (random.uniform() < 0.35) blurred(rgb, width, height, random.uniform(0.35, 1.3));
  return rgb;
}

/** An endless data set; `count` only says where an epoch ends. */
export function deadLeaves({
  seed = 0,
  count = 100_000,
  width = 64,
  height = 64,
  channels = 3,
}: DeadLeavesOptions = {}): TileSource {
  const source: TileSource = {
    name: "dead leaves",
    count,
    width,
    height,
    channels,
    licence: "made by Proxel; none needed",
    tile(i, out) {
      checkTile(source, i, out);
      const rgb = deadLeavesPicture(seed, i, width, height);
      const byte = (v: number) => Math.max(0, Math.min(255, Math.round(255 * v)));
      if (channels === 3) for (let k = 0; k < out.length; k++) out[k] = byte(rgb[k]);
      else
        for (let k = 0; k < out.length; k++)
          out[k] = byte(0.299 * rgb[3 * k] + 0.587 * rgb[3 * k + 1] + 0.114 * rgb[3 * k + 2]);
    },
  };
  return source;
}
