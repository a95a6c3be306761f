const f32 = new Float32Array(1);
const u32 = new Uint32Array(f32.buffer);

/** The nearest half-precision number to x, ties to even, as its 16 bits. */
export function toHalf(x: number): number {
  f32[0] = x;
  const bits = u32[0] as number;
  const sign = (bits >>> 16) & 0x8000;
  const abs = bits & 0x7fffffff;
  if (abs > 0x7f800000) return sign | 0x7e00; // NaN
  if (abs >= 0x477ff000) return sign | 0x7c00; // rounds to beyond 65504
  if (abs >= 0x38800000) {
    const rounded = abs + 0xfff + ((abs >>> 13) & 1);
    return sign | ((rounded - 0x38000000) >>> 13);
  }
  // subnormal: adding 0.5 puts the unit of the last place at 2^-24
  f32[0] = Math.abs(f32[0] as number) + 0.5;
  return sign | ((u32[0] as number) - 0x3f000000);
}

/** The number whose half-precision bits these are. */
export function fromHalf(h: number): number {
  const exponent = (h >>> 10) & 31;
  const fraction = h & 1023;
  const sign = h & 0x8000 ? -1 : 1;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

// loops: `from` with a function walks an iterator and takes ten times as long, over weights by the hundred million
export function halvesFrom(data: ArrayLike<number>): Uint16Array {
  const out = new Uint16Array(data.length);
  for (let i = 0; i < out.length; i++) out[i] = toHalf(data[i] as number);
  return out;
}

let widened: Float32Array | undefined;
export function halvesTo(data: Uint16Array): Float32Array {
  widened ??= Float32Array.from({ length: 1 << 16 }, (_, h) => fromHalf(h));
  const out = new Float32Array(data.length);
  for (let i = 0; i < out.length; i++) out[i] = widened[data[i] as number] as number;
  return out;
}
