/** Tensors of shapes that differ along `axis` only, one after the other. Plain loops. */
export function concat(
  xs: readonly ArrayLike<number>[],
  shapes: readonly (readonly number[])[],
  axis: number,
): Float64Array {
  const rows = (shapes[0] as readonly number[]).slice(0, axis).reduce((a, b) => a * b, 1);
  const out: number[] = [];
  for (let row = 0; row < rows; row++)
    for (const x of xs) {
      const width = x.length / rows;
      for (let k = 0; k < width; k++) out.push(x[row * width + k] as number);
    }
  return Float64Array.from(out);
}

/** Entries start to start + count along `axis`. Plain loops. */
export function slice(
  x: ArrayLike<number>,
  shape: readonly number[],
  axis: number,
  start: number,
  count: number,
): Float64Array {
  const size = (s: readonly number[]) => s.reduce((a, b) => a * b, 1);
  const [rows, length, inner] = [size(shape.slice(0, axis)), shape[axis] as number, size(shape.slice(axis + 1))];
  const out: number[] = [];
  for (let row = 0; row < rows; row++)
    for (let i = start; i < start + count; i++)
      for (let k = 0; k < inner; k++) out.push(x[(row * length + i) * inner + k] as number);
  return Float64Array.from(out);
}
