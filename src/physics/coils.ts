import type { Shape } from "../tensor/shape.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";

export interface BirdcageOptions {
  /** Of the ring of coils, in half sides of the picture. */
  radius?: number;
}

/**
 * Sensitivities of coils on a ring around the picture, c64 [H, W, coils], sum |S|^2 = 1 everywhere. With (u, v) from a coil to
 * a pixel in half sides, S = exp(i phi)/r, r = |(u, v)|, phi the angle of (u, -v) turned with the coil: Biot and Savart, far away.
 */
export function birdcage([H, W]: Shape, coils: number, { radius = 1.5 }: BirdcageOptions = {}): Tensor {
  const [h, w] = [H as number, W as number];
  if (![h, w, coils].every((n) => Number.isInteger(n) && n > 0))
    throw new RangeError(`birdcage: expected whole numbers of rows, columns and coils, got ${h}, ${w}, ${coils}`);
  const data = new Float64Array(2 * h * w * coils);
  for (let i = 0; i < h; i++)
    for (let j = 0; j < w; j++)
      for (let c = 0; c < coils; c++) {
        const turn = (2 * Math.PI * c) / coils;
        const x = (2 * j) / w - 1 - radius * Math.cos(turn);
        const y = (2 * i) / h - 1 - radius * Math.sin(turn);
        const phase = Math.atan2(x, -y) - turn;
        const r = Math.hypot(x, y);
        const at = 2 * ((i * w + j) * coils + c);
        data[at] = Math.cos(phase) / r;
        data[at + 1] = Math.sin(phase) / r;
      }
  return tensor([h, w, coils], normalised(data, coils), "c64");
}

/** Interleaved sensitivities divided by the root of their sum of squares over the coils; 0 where all are 0. */
export function normalised(maps: ArrayLike<number>, coils: number): Float32Array {
  const out = new Float32Array(maps.length);
  for (let from = 0; from < maps.length; from += 2 * coils) {
    let power = 0;
    for (let k = from; k < from + 2 * coils; k++) power += (maps[k] as number) ** 2;
    const scale = power > 0 ? 1 / Math.sqrt(power) : 0;
    for (let k = from; k < from + 2 * coils; k++) out[k] = scale * (maps[k] as number);
  }
  return out;
}
