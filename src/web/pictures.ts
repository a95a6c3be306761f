import { ProxelError } from "../errors.ts";
import { crop, type Picture, readPicture } from "../io/picture.ts";
import { toImageData } from "../io/platform.browser.ts";

/** The picture in a file that somebody chose or dropped. */
export function open(file: File): Promise<Picture> {
  return readPicture(file);
}

/** A canvas with the picture on it. */
export function toCanvas(p: Picture): OffscreenCanvas {
  const canvas = new OffscreenCanvas(p.width, p.height);
  const pen = canvas.getContext("2d");
  if (!pen) throw new ProxelError(`canvas: this browser gave no 2d context of ${p.width}x${p.height}`);
  pen.putImageData(toImageData(p), 0, 0);
  return canvas;
}

/** At most `longest` pixels a side (0: any): scaled down, or the middle of it, which keeps blur and noise as they are. */
export function within(p: Picture, longest: number, how: "scale" | "cut"): Picture {
  if (!longest || Math.max(p.width, p.height) <= longest) return { ...p };
  if (how === "cut") {
    const [width, height] = [Math.min(longest, p.width), Math.min(longest, p.height)];
    return crop(p, { x: (p.width - width) >> 1, y: (p.height - height) >> 1, width, height });
  }
  return shrink(p, longest);
}

/** Scaled down by the mean of the pixels that fall on each new one, weighted by what of them does. */
function shrink(p: Picture, longest: number): Picture {
  const s = longest / Math.max(p.width, p.height);
  const [width, height] = [Math.max(1, Math.round(p.width * s)), Math.max(1, Math.round(p.height * s))];
  const halves = (data: Float32Array, channels: number) =>
    along(along(data, 1, p.height, p.width * channels, height), height, p.width, channels, width);
  return { ...p, width, height, data: halves(p.data, p.channels), ...(p.alpha ? { alpha: halves(p.alpha, 1) } : {}) };
}

/** Resamples the middle axis of [outer, n, inner] to m <= n. */
function along(data: Float32Array, outer: number, n: number, inner: number, m: number): Float32Array {
  const out = new Float32Array(outer * m * inner);
  for (let j = 0; j < m; j++) {
    const [from, to] = [(j * n) / m, ((j + 1) * n) / m];
    for (let i = Math.floor(from); i < Math.min(n, Math.ceil(to)); i++) {
      const weight = ((Math.min(to, i + 1) - Math.max(from, i)) * m) / n;
      for (let o = 0; o < outer; o++)
        for (let c = 0; c < inner; c++)
          out[(o * m + j) * inner + c] =
            (out[(o * m + j) * inner + c] as number) + weight * (data[(o * n + i) * inner + c] as number);
    }
  }
  return out;
}
