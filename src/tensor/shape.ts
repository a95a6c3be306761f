export type Shape = readonly number[];
/** `c64` is a complex number of two f32, interleaved. */
export type DType = "f32" | "f16" | "u32" | "c64";

export const BYTES: Readonly<Record<DType, number>> = { f32: 4, f16: 2, u32: 4, c64: 8 };

export const sizeOf = (shape: Shape): number => shape.reduce((a, b) => a * b, 1);

export const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((n, i) => n === b[i]);
