// Smooth random fields of two variables: value noise and sums of its octaves ("1/f noise"), from integer hashes.

import { mix32 } from "./hash.ts";

/** A number in [0, 1) for a lattice point. */
export function lattice(x: number, y: number, seed: number): number {
  return mix32(Math.imul(x, 0x27d4eb2d) ^ Math.imul(y, 0x165667b1) ^ Math.imul(seed, 0x9e3779b9)) / 4294967296;
}

const fade = (t: number) => t * t * t * (t * (6 * t - 15) + 10);

/** Value noise in [0, 1), one lump a unit, twice continuously differentiable. */
export function valueNoise(x: number, y: number, seed: number): number {
  const [i, j] = [Math.floor(x), Math.floor(y)];
  const [u, v] = [fade(x - i), fade(y - j)];
  const top = lattice(i, j, seed) * (1 - u) + lattice(i + 1, j, seed) * u;
  const bottom = lattice(i, j + 1, seed) * (1 - u) + lattice(i + 1, j + 1, seed) * u;
  return top * (1 - v) + bottom * v;
}

/** Octaves of value noise, each half as strong and twice as fine; mean 0.5, in [0, 1). */
export function octaves(x: number, y: number, seed: number, count = 5, gain = 0.5): number {
  let sum = 0;
  let weight = 0;
  let [scale, strength] = [1, 1];
  for (let k = 0; k < count; k++) {
    // Turned a little each time, or the lattices line up and show.
    const [a, b] = [x * scale + 0.37 * k * y, y * scale - 0.37 * k * x];
    sum += strength * valueNoise(a, b, seed + k);
    weight += strength;
    scale *= 2.03;
    strength *= gain;
  }
  return sum / weight;
}
