import { sizeOf } from "../../src/tensor/shape.ts";

/** Numbers that a name decides, the same here and in test/fixtures/seeded.py: a hash of name and index, in [-1, 1). */
export function seeded(name: string, count: number): Float32Array {
  let seed = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) seed = Math.imul(seed ^ byte, 0x01000193) >>> 0;
  return Float32Array.from({ length: count }, (_, i) => {
    let z = (seed + Math.imul(i, 0x9e3779b9)) >>> 0;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b) >>> 0;
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35) >>> 0;
    z = (z ^ (z >>> 16)) >>> 0;
    return (z / 2 ** 32) * 2 - 1;
  });
}

/** A parameter of that name: matrices of variance 1/fan-in, norm weights about 1, biases about 0. */
export function seededParameter(name: string, shape: readonly number[]): Float32Array {
  const u = seeded(name, sizeOf(shape));
  if (shape.length > 1) {
    const scale = Math.sqrt(3 / sizeOf(shape.slice(1)));
    return u.map((v) => scale * v);
  }
  return name.endsWith("weight") ? u.map((v) => 1 + 0.1 * v) : u.map((v) => 0.1 * v);
}
