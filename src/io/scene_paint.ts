// Colours and blends of the demo scene, in linear light: shading and averaging are only right there.

export type Rgb = readonly [number, number, number];

/** "#rrggbb" as the screen shows it, to linear light. */
export function rgb(hex: string): Rgb {
  const part = (at: number) => {
    const v = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  };
  return [part(1), part(3), part(5)];
}

/** Linear light to what a file holds, [0, 1]. */
export function encodeLight(v: number): number {
  const c = Math.max(0, Math.min(1, v));
  return c <= 0.0031308 ? 12.92 * c : 1.055 * c ** (1 / 2.4) - 0.055;
}

export const mix = (a: Rgb, b: Rgb, t: number): Rgb => [
  a[0] + (b[0] - a[0]) * t,
  a[1] + (b[1] - a[1]) * t,
  a[2] + (b[2] - a[2]) * t,
];
export const times = (a: Rgb, k: number): Rgb => [a[0] * k, a[1] * k, a[2] * k];
export const plus = (a: Rgb, b: Rgb): Rgb => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
export const clamp01 = (v: number): number => Math.max(0, Math.min(1, v));
/** 0 before `from`, 1 after `to`, smooth between; the ends may be in either order. */
export function smooth(from: number, to: number, v: number): number {
  const t = clamp01((v - from) / (to - from));
  return t * t * (3 - 2 * t);
}
export const inside = (v: number, from: number, to: number): boolean => v >= from && v < to;
